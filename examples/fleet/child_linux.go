package main

import (
	"os/exec"
	"syscall"
)

// endWithParent has a process killed when this one is. Ctrl-C in a terminal is told to this process
// alone, which ends the others in their order.
func endWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
