package outbox

import (
	"cmp"
	"context"
	"io"
	"path/filepath"

	bolt "go.etcd.io/bbolt"
)

// Backup writes a copy of the outbox to w, as it is after the last commit, while it is in use.
// Kept as outbox.db in a directory of its own, it can be opened. A copy made of the file itself
// while the outbox is open may lack something, and Open refuses it then; this one does not.
//
// A restored copy has what was delivered since; Stigg counts that once, by its key.
//
// It holds up no Append, but the file can't use pages again that are freed meanwhile.
func (o *Outbox) Backup(ctx context.Context, w io.Writer) error {
	if err := o.sync(); err != nil {
		return err
	}
	return o.store.copyTo(&untilDone{ctx: ctx, to: w})
}

// Backup writes a copy of the outbox in dir, which no process may have open, to w; see
// Outbox.Backup for one that is in use.
func Backup(ctx context.Context, dir string, w io.Writer) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return &DirError{Dir: dir, Err: err}
	}
	s := &store{dir: dir}
	if err := s.exists(); err != nil {
		return err
	}
	if err := s.explain(guard(s.verify)); err != nil {
		_ = s.close()
		return err
	}
	if err := s.copyTo(&untilDone{ctx: ctx, to: w}); err != nil {
		_ = s.close()
		return err
	}
	return s.close()
}

func (s *store) copyTo(w *untilDone) error {
	return s.view(func(tx *bolt.Tx) error {
		_, err := tx.WriteTo(w)
		return cmp.Or(w.err, err) // bbolt tells no more than its text
	})
}

// untilDone writes until its context ends.
type untilDone struct {
	ctx context.Context
	to  io.Writer
	err error
}

func (w *untilDone) Write(b []byte) (n int, err error) {
	if w.err = w.ctx.Err(); w.err == nil {
		n, w.err = w.to.Write(b)
	}
	return n, w.err
}
