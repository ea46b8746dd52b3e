//go:build unix

package outbox

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// noFollow has the file opened only if its name is no symbolic link.
const noFollow = syscall.O_NOFOLLOW

var (
	errWritable = errors.New("everybody may write to it: take that right away (chmod o-w), or name a directory that does not exist yet")
	errForeign  = errors.New("another user owns it: an outbox and its directory belong to the user whose process it is")
)

// fileNumber is the number of a file in its file system.
func fileNumber(info fs.FileInfo) uint64 {
	stat, _ := info.Sys().(*syscall.Stat_t)
	if stat == nil {
		return 0
	}
	return stat.Ino
}

// trusted is an error if somebody else may have put there what is there: everybody may write, or
// another user owns it. A directory may be root's, as volumes are.
func trusted(info fs.FileInfo) error {
	if info.Mode().Perm()&0o002 != 0 {
		return errWritable
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if ok && int(stat.Uid) != os.Geteuid() && (stat.Uid != 0 || !info.IsDir()) {
		return errForeign
	}
	return nil
}
