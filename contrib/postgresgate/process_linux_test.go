package postgresgate_test

import (
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
	"testing"
)

// asOwner has a program of Postgres run as the user postgres, since it refuses root, and killed when the
// test's process is, whatever ends that.
func asOwner(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT}
	if uid, gid, ok := owner(); ok {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uid, Gid: gid}
	}
}

// owner is that user, if this one is root.
func owner() (uid, gid uint32, ok bool) {
	u, err := user.Lookup("postgres")
	if os.Getuid() != 0 || err != nil {
		return 0, 0, false
	}
	i, err := strconv.ParseUint(u.Uid, 10, 32)
	g, worse := strconv.ParseUint(u.Gid, 10, 32)
	return uint32(i), uint32(g), err == nil && worse == nil
}

// own gives a directory to that user.
func own(t testing.TB, dir string) {
	t.Helper()
	if uid, gid, ok := owner(); ok {
		if err := os.Chown(dir, int(uid), int(gid)); err != nil {
			t.Fatal(err)
		}
	}
}

// quit is Postgres' immediate shutdown.
func quit(cmd *exec.Cmd) { _ = cmd.Process.Signal(syscall.SIGQUIT) }
