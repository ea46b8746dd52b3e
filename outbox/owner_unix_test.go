//go:build unix

package outbox

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestWhatOthersMayHaveMadeIsRefused(t *testing.T) {
	for name, prepare := range map[string]func(dir string) error{
		"a link to nothing": func(dir string) error {
			return os.Symlink(filepath.Join(dir, "elsewhere"), filepath.Join(dir, fileName))
		},
		"a link to a file": func(dir string) error {
			other := filepath.Join(dir, "other")
			return errors.Join(os.WriteFile(other, nil, 0o600), os.Symlink(other, filepath.Join(dir, fileName)))
		},
		"a directory that all may write": func(dir string) error { return os.Chmod(dir, 0o777) },
		"a file that all may write": func(dir string) error {
			path := filepath.Join(dir, fileName)
			return errors.Join(os.WriteFile(path, nil, 0o600), os.Chmod(path, 0o666))
		},
		"a directory of another user": func(dir string) error { return os.Chown(dir, os.Geteuid()+1, -1) },
		"a file of another user": func(dir string) error {
			path := filepath.Join(dir, fileName)
			return errors.Join(os.WriteFile(path, nil, 0o600), os.Chown(path, os.Geteuid()+1, -1))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := prepare(dir); errors.Is(err, os.ErrPermission) {
				t.Logf("only root can make this: %v", err)
				return
			} else if err != nil {
				t.Fatal(err)
			}
			o, err := Open(dir)
			if !errors.As(err, new(*DirError)) {
				t.Errorf("Open: %v, want a *DirError", err)
			}
			if o != nil {
				_ = o.Close()
			}
			if _, err := os.Lstat(filepath.Join(dir, "elsewhere")); err == nil {
				t.Error("the link was followed")
			}
		})
	}
}
