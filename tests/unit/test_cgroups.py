"""Which control groups can be used, on systems that are laid out in a folder; their limits are files."""

from pathlib import Path

from lepton_ai.infrastructure.compute.cgroups import WorkerGroup, controllers, end_groups


def laid_out(root: Path, cgroup: str, mountinfo: str) -> Path:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(cgroup)
    (root / "proc/self/mountinfo").write_text(mountinfo)
    return root


def test_version_2_offers_what_is_given_on_to_groups_below(tmp_path: Path) -> None:
    line = "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
    root = laid_out(tmp_path, "0::/user/app\n", line)
    group = root / "sys/fs/cgroup/user/app"
    group.mkdir(parents=True)
    (group / "cgroup.controllers").write_text("cpu io memory pids")
    (group / "cgroup.subtree_control").write_text("memory pids")
    found = controllers(root)
    assert found == {"memory": group, "pids": group}


def test_version_1_has_a_hierarchy_for_each(tmp_path: Path) -> None:
    lines = (
        "31 24 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
        "32 24 0:28 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
        "33 24 0:29 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n"
    )
    root = laid_out(tmp_path, "4:memory:/box\n3:cpu,cpuacct:/box\n2:pids:/\n0::/\n", lines)
    for folder in ("memory/box", "cpu,cpuacct", "pids"):
        (root / "sys/fs/cgroup" / folder).mkdir(parents=True)
    found = controllers(root)
    assert found == {
        "memory": root / "sys/fs/cgroup/memory/box",
        "cpu": root / "sys/fs/cgroup/cpu,cpuacct",
        "pids": root / "sys/fs/cgroup/pids",
    }


def test_system_without_groups_offers_none(tmp_path: Path) -> None:
    assert controllers(tmp_path) == {}
    assert controllers(laid_out(tmp_path / "a", "0::/\n", "1 2 0:1 / / rw - ext4 /dev/sda rw\n")) == {}


def test_limits_are_written_into_groups_of_the_workers_own(tmp_path: Path) -> None:
    above = {name: tmp_path / name for name in ("memory", "pids", "cpu")}
    for folder in above.values():
        folder.mkdir()
    group = WorkerGroup("job.a/b", {"memory_bytes": 1024, "processes": 5, "cpus": None}, above)
    assert group.folders == [str(tmp_path / "memory/lepton-job.a_b"), str(tmp_path / "pids/lepton-job.a_b")]
    assert (tmp_path / "pids/lepton-job.a_b/pids.max").read_text() == "5"
    assert (tmp_path / "memory/lepton-job.a_b/memory.limit_in_bytes").read_text() == "1024"
    (tmp_path / "memory/lepton-job.a_b/memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n")
    assert group.out_of_memory_kills() == 2
    assert WorkerGroup("w", {"memory_bytes": None}, above).folders == []


def test_groups_that_are_gone_are_no_error(tmp_path: Path) -> None:
    end_groups([str(tmp_path / "absent")])
