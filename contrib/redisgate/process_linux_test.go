package redisgate_test

import (
	"os/exec"
	"syscall"
)

// endWithTest has a process killed when the test's is, whatever ends that.
func endWithTest(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
