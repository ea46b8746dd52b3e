package outbox

import (
	"errors"
	"fmt"
	"path/filepath"
	"syscall"
	"testing"
)

// TestAFullVolumeRecoversOnceItsUsageIsDone does on a real volume, where mounting one is
// allowed, what TestAFullDiskRecoversOnceItsUsageIsDone does everywhere. The mount ends
// with the child.
func TestAFullVolumeRecoversOnceItsUsageIsDone(t *testing.T) {
	c := child(t.Context(), t, "volume", t.TempDir())
	c.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	switch out, err := c.Output(); {
	case errors.Is(err, syscall.EPERM) || string(out) == "no mount\n":
		t.Skip("mounting needs a privilege that this process lacks; TestAFullDiskRecoversOnceItsUsageIsDone does the same with a limit")
	case err != nil || string(out) != "ok\n":
		t.Errorf("%v: %s", err, out)
	}
}

func fillVolume(dir string) error {
	switch err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=3m"); {
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EACCES):
		fmt.Println("no mount")
		return nil
	case err != nil:
		return err
	}
	if err := fillAndEmpty(filepath.Join(dir, "outbox"), 300, allHows); err != nil {
		return err
	}
	fmt.Println("ok")
	return nil
}
