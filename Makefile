# Each target is one line that calls scripts/<name>, so a machine without make types `sh scripts/<name>`.
.PHONY: demo test check bench bench-training test-faults test-lep test-openapi install

demo:
	@sh scripts/demo
test:
	@sh scripts/test
check:
	@sh scripts/check
bench:
	@sh scripts/bench
bench-training:
	@sh scripts/bench-training
test-faults:
	@sh scripts/test-faults
test-lep:
	@sh scripts/test-lep
test-openapi:
	@sh scripts/test-openapi
install:
	@sh scripts/install
