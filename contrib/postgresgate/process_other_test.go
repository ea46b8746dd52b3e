//go:build !linux

package postgresgate_test

import (
	"os"
	"os/exec"
	"testing"
)

func asOwner(*exec.Cmd) {}

func own(testing.TB, string) {}

func quit(cmd *exec.Cmd) { _ = cmd.Process.Signal(os.Kill) }
