//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package emulator

import (
	"errors"
	"os"
)

// lockFile locks nothing: see state_lock_unix.go.
func lockFile(string) (f *os.File, locked bool, err error) { return nil, false, errors.ErrUnsupported }
