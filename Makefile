# Each target is one line that calls scripts/<name>, so a machine without make types `sh scripts/<name>`.
.PHONY: demo test check bench test-faults install

demo:
	@sh scripts/demo
test:
	@sh scripts/test
check:
	@sh scripts/check
bench:
	@sh scripts/bench
test-faults:
	@sh scripts/test-faults
install:
	@sh scripts/install
