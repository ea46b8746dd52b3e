package policyfile

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/internal/option"
)

// File is a policy file and the table of it that is in force, which every Routes takes. All
// methods may be called from any goroutine.
type File struct {
	*gate.LiveTable
	path string
	options

	mu      sync.Mutex
	judged  [sha256.Size]byte // what the file had when it was last read and judged
	refused error             // what was said of that
	unread  bool              // the last time it could not be read
	checks  []func(gate.Table) error
}

// Open reads a file. The error joins an *Error for each thing that is wrong in it.
func Open(path string, with ...Option) (*File, error) {
	o, err := apply(with)
	if err != nil {
		return nil, err
	}
	text, err := read(path)
	if err != nil {
		return nil, fmt.Errorf("policyfile: %w", err)
	}
	d, err := o.parse(path, text)
	if err != nil {
		return nil, err
	}
	live, err := gate.NewLiveTable(d.table)
	if err != nil {
		return nil, d.located("", err)
	}
	return &File{LiveTable: live, path: path, options: o, judged: sha256.Sum256(text)}, nil
}

// read reads what the path leads to now: a ConfigMap's is behind symbolic links that change.
func read(path string) ([]byte, error) {
	file, err := os.Open(path) //nolint:gosec // the app says which
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // it was only read
	return io.ReadAll(io.LimitReader(file, maxBytes+1))
}

// Check holds the table in force to check, and every one that is to come: one that fails it is
// refused. It is for the adapter's Verify, when all routes are registered, so that a reloaded
// file that misspells a route, or forgets one, changes nothing.
func (f *File) Check(check func(gate.Table) error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.checks = append(f.checks, check)
	d := document{file: f.path}
	if text, err := read(f.path); err == nil && sha256.Sum256(text) == f.judged {
		if again, err := f.parse(f.path, text); err == nil {
			d = again // for the places
		}
	}
	return d.located("", check(f.Table()))
}

// Reload reads the file again. What it says is checked whole, for every gate that goes by it too,
// and put in force in one step; if anything is wrong the error joins an *Error for each, and the
// table before stays in force. Either is logged once for what the file has.
//
// Call it when the file is surely written, on SIGHUP for example. A file that has not changed
// gives the answer that it was given before.
func (f *File) Reload() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.take(read(f.path))
}

// Watch reloads the file when it has changed, until ctx ends. It reads it every so often, and
// takes what it has found the same twice: one that is being written is left alone. It panics if every
// is not above 0, or was given without a unit.
func (f *File) Watch(ctx context.Context, every time.Duration) {
	if err := option.Duration("time between two reads of Watch", every); err != nil {
		panic("policyfile: " + err.Error())
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	var last sight
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		f.mu.Lock()
		text, err := read(f.path)
		now := sight{sha256.Sum256(text), err != nil}
		if now == last {
			_ = f.take(text, err) // it is logged
		}
		last = now
		f.mu.Unlock()
	}
}

// sight is what was seen of a file at one moment.
type sight struct {
	sum     [sha256.Size]byte
	missing bool
}

// take judges what the file has, unless it was judged before.
func (f *File) take(text []byte, err error) error {
	if err != nil {
		err = fmt.Errorf("policyfile: %w", err)
		if !f.unread {
			f.unread = true
			f.logger.Warn("policyfile: the file can't be read; the policies before stay in force", "file", f.path, "error", err)
		}
		return err
	}
	if f.unread {
		f.unread = false
		f.logger.Info("policyfile: the file can be read again", "file", f.path)
	}
	sum := sha256.Sum256(text)
	if sum == f.judged {
		return f.refused
	}
	d, err := f.parse(f.path, text)
	if err == nil {
		err = f.replace(d)
	}
	f.judged, f.refused = sum, err
	if err != nil {
		f.logger.Error("policyfile: the file is refused; the policies before stay in force", "file", f.path, "error", err)
	} else {
		f.logger.Info("policyfile: the file's policies are in force", "file", f.path, "routes", len(d.table))
	}
	return err
}

func (f *File) replace(d document) error {
	var problems []error
	for _, check := range f.checks {
		problems = append(problems, check(d.table))
	}
	if err := errors.Join(problems...); err != nil {
		return d.located("", err)
	}
	return d.located("", f.Replace(d.table))
}
