"""Volumes, buckets, key-value namespaces, queues and photons over HTTP, from Python and from the shell."""

import hashlib
import http.client
import json
import os
import secrets
import socket
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from api_errors import assert_error
from cloud_lab import CloudLab, cloud_lab, repetitions
from gateway_lab import Answer, fetch
from lepton_ai.core.errors import Conflict, InvalidInput, NotFound
from photon_archives import archive
from waiting import wait_until

MIB = 1 << 20


def form(lab: CloudLab, path: str, field: str, data: bytes) -> Answer:
    """Send one field of a form."""
    body = f'--edge\r\nContent-Disposition: form-data; name="{field}"; filename="f"\r\n\r\n'.encode() + data
    headers = lab.bearer | {"content-type": "multipart/form-data; boundary=edge"}
    return lab.api("POST", path, body + b"\r\n--edge--\r\n", headers, raw=True)


def test_file_goes_up_and_comes_down_and_is_listed(lab: CloudLab, tmp_path: Path) -> None:
    data = os.urandom(3 * MIB)
    (tmp_path / "weights.npz").write_bytes(data)
    with lab.cloud() as cloud:
        volume = cloud.volumes.get()
        assert volume.upload(tmp_path / "weights.npz", "/models/") == "/models/weights.npz"
        [entry] = volume.list("/models")
        assert (entry.type, entry.name, entry.path, entry.size_bytes) == (
            "file",
            "weights.npz",
            "/models/weights.npz",
            len(data),
        )
        assert volume.download("/models/weights.npz", tmp_path / "back").read_bytes() == data
        assert volume.exists("models/weights.npz")
        assert not volume.exists("models/other")
        with pytest.raises(Conflict):
            volume.upload(tmp_path / "weights.npz", "/models")
        with pytest.raises(Conflict):
            volume.remove("/models")
        with pytest.raises(InvalidInput):
            volume.remove("/models/../models", recursive=True)
        with pytest.raises(InvalidInput, match="folder"):
            volume.read("/models")
        volume.remove("/models", recursive=True)
        with pytest.raises(NotFound):
            volume.list("/models")


def test_folder_goes_up_with_what_is_below_it_and_without_its_links(lab: CloudLab, tmp_path: Path) -> None:
    (tmp_path / "run" / "deep").mkdir(parents=True)
    (tmp_path / "run" / "a").write_bytes(b"a")
    (tmp_path / "run" / "deep" / "b c").write_bytes(b"b")
    (tmp_path / "run" / "link").symlink_to("/etc/passwd")
    with lab.cloud() as cloud:
        volume = cloud.volumes.create("folders")
        assert volume.upload_folder(tmp_path / "run", "/runs/1") == ["/runs/1/a", "/runs/1/deep/b c"]
        assert volume.read("/runs/1/deep/b c") == b"b"
        assert {item.metadata.name: item.status.total_usage_bytes for item in cloud.volumes.list()}["folders"] == 2
        cloud.volumes.remove("folders")
        with pytest.raises(NotFound):
            volume.list()
        with pytest.raises(Conflict, match="every workspace"):
            cloud.volumes.remove("default")


@pytest.mark.parametrize(
    "path",
    [
        "../../lepton.db",
        "..%2f..%2f..%2flepton.db",
        "%2e%2e/%2e%2e/admin-token",
        "a%00b",
        "..%5c..%5cadmin-token",
    ],
)
def test_path_that_leads_out_is_refused_as_it_came_over_the_wire(lab: CloudLab, path: str) -> None:
    for method in ("GET", "PUT", "DELETE"):
        address = f"/api/v2/workspaces/default/storage/default/{path}"
        answer = fetch(lab.port, address, lab.bearer, method)
        assert 400 <= answer.status < 500, (method, answer.body)
        assert lab.token.encode() not in answer.body


def test_files_of_users_are_no_pages_of_this_server(lab: CloudLab) -> None:
    assert form(lab, "/storage/default/page.html", "file", b"<script>alert(1)</script>").status == 201
    answer = lab.api("GET", "/storage/default/page.html")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == "attachment"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert lab.api("DELETE", "/storage/default/page.html").status == 200


def test_upload_that_breaks_off_leaves_the_file_as_it_was(lab: CloudLab) -> None:
    assert form(lab, "/storage/default/kept", "file", b"old").status == 201
    head = (
        f"POST /api/v2/workspaces/default/storage/default/kept HTTP/1.1\r\nhost: 127.0.0.1\r\n"
        f"authorization: Bearer {lab.token}\r\ncontent-length: {4 * MIB}\r\n"
        "content-type: multipart/form-data; boundary=edge\r\n\r\n"
        '--edge\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
    )
    incoming = lab.data_dir / "volumes" / "default" / "default" / ".lepton-incoming"
    with socket.create_connection(("127.0.0.1", lab.port)) as client:
        client.sendall(head.encode() + os.urandom(2 * MIB))
        wait_until(lambda: any(file.stat().st_size for file in incoming.iterdir()))
    wait_until(lambda: not list(incoming.iterdir()))
    assert lab.api("GET", "/storage/default/kept").body == b"old"
    cut = lab.api("POST", "/storage/default/kept", b"no form", raw=True)
    assert "multipart/form-data" in assert_error(cut, 422, "/storage")["message"]
    assert lab.api("GET", "/storage/default/kept").body == b"old"
    assert lab.api("DELETE", "/storage/default/kept").status == 200


def test_large_file_takes_little_memory_either_way() -> None:
    size = repetitions(128, 1024) * MIB
    with cloud_lab(timed=True) as lab:
        server = lab.server()
        assert server is not None
        process = psutil.Process(server.pid)
        head = b'--edge\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
        tail = b"\r\n--edge--\r\n"
        block = os.urandom(MIB)
        assert form(lab, "/storage/default/warm", "file", block).status == 201
        before = peak = process.memory_info().rss
        connection = http.client.HTTPConnection("127.0.0.1", lab.port)
        connection.putrequest("POST", "/api/v2/workspaces/default/storage/default/large")
        for name, value in {
            **lab.bearer,
            "content-type": "multipart/form-data; boundary=edge",
            "content-length": str(len(head) + size + len(tail)),
        }.items():
            connection.putheader(name, value)
        connection.endheaders(head)
        for _ in range(size // MIB):
            connection.send(block)
            peak = max(peak, process.memory_info().rss)
        connection.send(tail)
        answer = connection.getresponse()
        assert (answer.status, json.loads(answer.read())["size_bytes"]) == (201, size)
        hashed, expected = hashlib.sha256(), hashlib.sha256()
        for _ in range(size // MIB):
            expected.update(block)
        connection.request("GET", "/api/v2/workspaces/default/storage/default/large", headers=lab.bearer)
        answer = connection.getresponse()
        while chunk := answer.read(MIB):
            hashed.update(chunk)
            peak = max(peak, process.memory_info().rss)
        connection.close()
        assert hashed.digest() == expected.digest()
        assert peak - before < 64 * MIB, f"{(peak - before) / MIB:.0f} MiB more"


def test_bucket_hands_out_addresses_that_need_no_token(lab: CloudLab, tmp_path: Path) -> None:
    data = os.urandom(6 * MIB)  # more than a JSON body may have
    (tmp_path / "data").write_bytes(data)
    with lab.cloud() as cloud:
        for bucket in (cloud.buckets.private, cloud.buckets.public):
            bucket.put("a b/ü.bin", tmp_path / "data")
            bucket.put("a b/small", b"small")
            assert [(item.key, item.size) for item in bucket.list("a b/")] == [
                ("a b/small", 5),
                ("a b/ü.bin", len(data)),
            ]
            assert bucket.get("a b/ü.bin") == data
            address = urlsplit(bucket.url("a b/small"))
            answer = fetch(lab.port, f"{address.path}?{address.query}", {})
            assert (answer.status, answer.body) == (200, b"small")
            assert answer.headers["content-disposition"] == "attachment"
            bucket.remove("a b/small")
            bucket.remove("a b/small")
            assert fetch(lab.port, f"{address.path}?{address.query}", {}).status == 404
            bucket.remove("a b/ü.bin")
            with pytest.raises(NotFound):
                bucket.get("a b/ü.bin")
            assert list(bucket.list()) == []


def test_address_is_good_for_what_it_was_made_for_and_nothing_else(lab: CloudLab) -> None:
    with lab.cloud() as cloud:
        cloud.buckets.private.put("secret", b"secret")
        cloud.buckets.private.put("other", b"other")
        address = urlsplit(cloud.buckets.private.url("secret"))
        path, query = address.path, address.query
        expires, signature = query.split("&")
        later = f"expires={int(expires.partition('=')[2]) + 1}"
        for wrong in (
            path,
            f"{path}?{expires}",
            f"{path}?{signature}",
            f"{path}?{later}&{signature}",
            f"{path.replace('secret', 'other')}?{query}",
            f"{path.replace('/default/', '/other/')}?{query}",
            f"{path.replace('/private/', '/public/')}?{query}",
            f"{path.replace('/private/', '/x/')}?{query}",
            f"{path}?{expires}&signature={'0' * 64}",
            f"{path}?expires=1&{signature}",
            f"{path}?{expires}&signature=%C3%A9",
        ):
            answer = fetch(lab.port, wrong, {})
            assert answer.status == 401, wrong
            assert answer.body != b"secret"
        assert fetch(lab.port, f"{path}?{query}", {}, "PUT", b"mine").status == 401
        assert fetch(lab.port, f"{path}?{query}", {}).body == b"secret"
        for key in ("secret", "other"):
            cloud.buckets.private.remove(key)


def test_values_are_kept_and_listed_page_by_page(lab: CloudLab) -> None:
    with lab.cloud() as cloud:
        namespace = cloud.kv.create("settings")
        namespace.put("colour/sky", "blue")
        namespace.put("raw", bytes(range(256)))
        assert namespace.get("colour/sky") == b"blue"
        assert namespace.get("raw") == bytes(range(256))
        assert list(namespace.keys()) == ["colour/sky", "raw"]
        assert list(namespace.keys("col")) == ["colour/sky"]
        assert lab.api("GET", "/kv/namespaces/settings/keys?limit=1").json == {"keys": ["colour/sky"], "cursor": 2}
        assert namespace.remove("raw")
        assert not namespace.remove("raw")
        with pytest.raises(NotFound):
            namespace.get("raw")
        cloud.kv.remove("settings")
        with pytest.raises(NotFound):
            cloud.kv.get("settings")
    for name in ("%20", "%20%20", "A", "a%2Fb"):
        assert lab.api("POST", f"/kv/namespaces/{name}").status in (404, 405, 422)
    assert lab.api("GET", "/kv/namespaces").json == []
    assert assert_error(form(lab, "/kv/namespaces/absent/values/k", "value", b"x"), 404, "/kv")["code"] == "not_found"
    too_large = form(lab, "/kv/namespaces/absent/values/k", "value", b"x" * (300 * 1024))
    assert assert_error(too_large, 413, "/kv")["code"] == "too_large"


def test_messages_come_in_order_and_leases_bring_them_back(lab: CloudLab) -> None:
    with lab.cloud() as cloud:
        queue = cloud.queues.create("letters")
        for text in ("one", "two", "three"):
            queue.send(text)
        assert queue.length() == 3
        first = queue.receive(lease_s=0.2)
        assert first is not None
        assert first.text == "one"
        second = queue.receive()
        assert second is not None
        assert second.text == "two"
        with pytest.raises(Conflict):
            second.acknowledge()
        wait_until(lambda: queue.length() == 2)
        again = queue.receive(lease_s=60)
        assert again is not None
        assert (again.text, again.deliveries) == ("one", 2)
        again.acknowledge()
        with pytest.raises(NotFound):
            first.acknowledge()
        assert lab.api("GET", "/queue/letters/messages").json == [
            {"message": "three", "receipt": None, "deliveries": 1}
        ]
        assert lab.api("GET", "/queue/letters/messages").json == []
        cloud.queues.remove("letters")
    assert_error(lab.api("POST", "/queue", {"name": " "}), 422, "/queue")


def test_what_was_acknowledged_is_there_after_the_server_was_killed() -> None:
    with cloud_lab() as lab:
        with lab.cloud() as cloud:
            cloud.kv.create("kept").put("k", "v")
            cloud.queues.create("kept").send("message")
            cloud.buckets.private.put("kept", b"object")
            assert form(lab, "/storage/default/kept", "file", b"file").status == 201
            assert form(lab, "/photons/private", "file", archive()).status == 201
        lab.kill_server()
        lab.up()
        with lab.cloud() as cloud:
            assert cloud.kv.get("kept").get("k") == b"v"
            message = cloud.queues.get("kept").receive()
            assert message is not None
            assert message.text == "message"
            assert cloud.buckets.private.get("kept") == b"object"
            assert cloud.volumes.get().read("/kept") == b"file"
            assert [photon.name for photon in cloud.photons.list()] == ["counter"]
        assert not lab.temporary_files() or [file.name for file in lab.temporary_files()] == [".lepton-incoming"]


def test_photon_is_kept_in_versions_and_given_back_as_it_was(lab: CloudLab, tmp_path: Path) -> None:
    (tmp_path / "one.photon").write_bytes(archive())
    (tmp_path / "two.photon").write_bytes(archive(model="py:counter.py:Two"))
    with lab.cloud() as cloud:
        first = cloud.photons.push(tmp_path / "one.photon")
        second = cloud.photons.push(tmp_path / "two.photon")
        assert first.name == second.name == "counter"
        assert first.id != second.id
        assert [item.id for item in cloud.photons.list()] == [second.id, first.id]
        assert cloud.photons.get("counter").id == second.id
        assert cloud.photons.get(first.id).model == "py:counter.py:Counter"
        assert first.sha256 == hashlib.sha256(archive()).hexdigest()
        fetched = cloud.photons.fetch(first.id, tmp_path / "back.photon")
        assert fetched.read_bytes() == (tmp_path / "one.photon").read_bytes()
        content = lab.api("GET", f"/photons/private/{first.id}?content=true")
        assert content.body == (tmp_path / "one.photon").read_bytes()
        public = cloud.photons.push(tmp_path / "one.photon", public=True)
        assert [item.id for item in cloud.photons.list(public=True)] == [public.id]
        for photon, where in ((first, False), (second, False), (public, True)):
            cloud.photons.remove(photon.id, public=where)
        with pytest.raises(NotFound):
            cloud.photons.get("counter")
    bad = form(lab, "/photons/private", "file", b"no archive")
    assert "this is no photon" in assert_error(bad, 422, "/photons")["message"]
    assert not list((lab.data_dir / "run" / "incoming").iterdir())


def test_photon_pushed_twice_with_one_key_is_one_version(lab: CloudLab) -> None:
    key = secrets.token_hex(8)
    body = b'--edge\r\nContent-Disposition: form-data; name="file"\r\n\r\n' + archive() + b"\r\n--edge--\r\n"
    headers = lab.bearer | {"content-type": "multipart/form-data; boundary=edge", "idempotency-key": key}
    made = [lab.api("POST", "/photons/private", body, headers, raw=True) for _ in range(2)]
    assert [answer.status for answer in made] == [201, 201]
    assert made[0].json["id"] == made[1].json["id"]
    assert lab.api("DELETE", f"/photons/private/{made[0].json['id']}").status == 200


def test_commands_do_all_of_it(lab: CloudLab, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("hello\n")
    note = str(tmp_path / "note.txt")
    lab.ok("storage", "upload", note, "/notes/")
    assert [entry["name"] for entry in lab.ok_json("storage", "ls", "/notes")] == ["note.txt"]
    lab.ok("storage", "download", "/notes/note.txt", str(tmp_path / "back.txt"))
    assert (tmp_path / "back.txt").read_text() == "hello\n"
    assert lab.shell("storage", "rm", "/notes").returncode == 2
    assert lab.shell("storage", "rmdir", "/notes").returncode == 1
    lab.ok("storage", "rmdir", "/notes", "--recursive")
    assert lab.shell("storage", "ls", "/notes").returncode == 3
    lab.ok("bucket", "put", note, "notes/hello")
    assert lab.ok("bucket", "url", "notes/hello").startswith(f"http://127.0.0.1:{lab.port}/objects/default/private/")
    lab.ok("bucket", "get", "notes/hello", str(tmp_path / "object"))
    lab.ok("bucket", "remove", "notes/hello")
    assert lab.ok_json("bucket", "list") == []
    lab.ok("kv", "create", "shell")
    lab.ok("kv", "put", "shell", "k", stdin="from stdin")
    assert lab.ok("kv", "get", "shell", "k") == "from stdin"
    assert lab.ok("kv", "keys", "shell") == "k\n"
    lab.ok("kv", "remove", "shell")
    lab.ok("queue", "create", "shell")
    lab.ok("queue", "send", "shell", "hi")
    assert lab.ok_json("queue", "length", "shell") == {"length": 1}
    assert lab.ok("queue", "receive", "shell") == "hi\n"
    assert lab.shell("queue", "receive", "shell").stdout == ""
    lab.ok("queue", "remove", "shell")
    (tmp_path / "c.photon").write_bytes(archive())
    photon_id = lab.ok("photon", "push", str(tmp_path / "c.photon")).strip()
    assert "py:counter.py:Counter" in lab.ok("photon", "show", "counter")
    lab.ok("photon", "fetch", "counter", str(tmp_path / "d.photon"))
    lab.ok("photon", "remove", photon_id)
    assert lab.ok_json("photon", "list") == []


def test_gc_shows_first_and_removes_what_is_asked_for(tmp_path: Path) -> None:
    with cloud_lab() as lab:
        lab.push("numbers")
        (tmp_path / "c.photon").write_bytes(archive())
        photon_id = lab.ok("photon", "push", str(tmp_path / "c.photon")).strip()
        digest = lab.ok_json("photon", "show", photon_id)["sha256"]
        lab.ok("photon", "remove", photon_id)
        (tmp_path / "work").mkdir()
        (tmp_path / "work" / "script.py").write_text("print('kept')\n")
        in_job = hashlib.sha256(b"print('kept')\n").hexdigest()
        lab.ok("job", "create", "--name", "works", "--sync", str(tmp_path / "work"), "--", "python", "script.py")
        assert lab.ok_json("gc") == []  # too young
        assert lab.ok_json("gc", "--older-than", "0s", "--yes") == []  # asked for a moment ago
        lab.ok("down")
        lab.up()
        names = [item["name"] for item in lab.ok_json("gc", "--older-than", "0s") if item["kind"] == "artifact"]
        assert names == [digest]
        assert lab.api("HEAD", f"/artifacts/{digest}").status == 200
        lab.ok("down")
        lab.up()
        removed = lab.ok_json("gc", "--older-than", "0s", "--yes")
        assert digest in [item["name"] for item in removed]
        assert lab.api("HEAD", f"/artifacts/{digest}").status == 404
        assert lab.api("HEAD", f"/artifacts/{in_job}").status == 200
        assert lab.ok("gc", "--older-than", "0s") == "0 to remove, 0 B\n"
        lab.ok("model", "export", "numbers", str(tmp_path / "still-there"))
        assert lab.shell("gc", "--older-than", "soon").returncode == 2


def test_endpoint_of_a_photon_is_kept_and_says_that_a_later_version_runs_it(lab: CloudLab) -> None:
    photon_id = form(lab, "/photons/private", "file", archive()).json["id"]
    spec = {
        "photon_namespace": "private",
        "photon_id": photon_id,
        "resource_requirement": {"resource_shape": "cpu.small", "min_replicas": 1, "shared_memory_size": 64},
        "auto_scaler": {"scale_down": {"no_traffic_timeout": 3600}},
        "api_tokens": [],
    }
    made = lab.api("POST", "/deployments", {"metadata": {"id": "counter", "name": "counter"}, "spec": spec})
    assert made.status == 201, made.body
    wait_until(lambda: lab.endpoint_status("counter")["reason"] == "photon_not_run")
    shown = lab.api("GET", "/deployments/counter").json
    assert shown["status"]["state"] == "Not Ready"
    assert "a later one runs them" in shown["status"]["message"]
    assert shown["spec"]["photon_id"] == photon_id
    assert shown["spec"]["auto_scaler"]["scale_down"] == {"no_traffic_timeout": 3600}
    assert shown["spec"]["resource_requirement"]["shared_memory_size"] == 64
    assert f"photon {photon_id}" in lab.ok("endpoint", "list")
    absent = {"metadata": {"name": "absent"}, "spec": spec | {"photon_id": "absent"}}
    assert assert_error(lab.api("POST", "/deployments", absent), 404, "/deployments")["code"] == "not_found"
    neither = {"metadata": {"name": "neither"}, "spec": {}}
    assert "a photon" in assert_error(lab.api("POST", "/deployments", neither), 422, "/deployments")["message"]
    lab.ok("endpoint", "remove", "counter")
    assert lab.api("DELETE", f"/photons/private/{photon_id}").status == 200


def test_viewer_reads_files_and_values_and_takes_no_message(lab: CloudLab) -> None:
    viewer = {"authorization": f"Bearer {lab.api('POST', '/tokens', {'name': 'eyes', 'role': 'viewer'}).json['value']}"}
    with lab.cloud() as cloud:
        queue = cloud.queues.create("watched")
        queue.send("mine")
        assert form(lab, "/storage/default/watched", "file", b"file").status == 201
        for path in (
            "/storage/default/watched",
            "/queue/watched/length",
            "/object_storage/private/",
            "/photons/private",
        ):
            assert lab.api("GET", path, headers=viewer).status == 200, path
        for method, path in (
            ("GET", "/queue/watched/messages"),
            ("GET", "/queue/watched/messages?lease_s=1"),
            ("DELETE", "/storage/default/watched"),
            ("PUT", "/object_storage/private_presigned/k"),
            ("POST", "/kv/namespaces/mine"),
            ("GET", "/gc"),
        ):
            assert lab.api(method, path, headers=viewer).status == 403, (method, path)
        assert queue.length() == 1
        cloud.queues.remove("watched")
        cloud.volumes.get().remove("/watched")
    assert lab.api("DELETE", "/tokens/eyes").status == 200
