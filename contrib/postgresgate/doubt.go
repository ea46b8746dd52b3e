package postgresgate

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// Who gives an Append up does not know whether its usage is inserted, and nor does this process where the
// connection dies at the commit. The gate delivers such usage from memory, so what Done says of it waits for
// the insertion, and is done again at each beat where that may come late: else the row stays, and whoever
// takes it over sends it again.

const (
	// doubted is for how long a commit may come late.
	doubted = time.Minute
	// mostDoubts bounds what is done again. Of the rest, rows may be sent again after the end of the
	// process, and count once.
	mostDoubts = 100_000
)

// doubts is what may be inserted yet. It is under the lock of Box.
type doubts struct {
	running map[string]int       // by name, insertions under way
	late    map[string]time.Time // until when one that has failed may come
	again   []finished           // what was said of those
}

func newDoubts() doubts {
	return doubts{running: make(map[string]int), late: make(map[string]time.Time)}
}

// mayBeThere reports whether rows may be inserted though their insertion has failed: the server has not
// said that it was not.
func mayBeThere(err error) bool {
	var answer *pgconn.PgError
	switch {
	case err == nil || pgconn.SafeToRetry(err):
		return false
	case errors.As(err, &answer):
		return strings.HasPrefix(answer.Code, "57P") || strings.HasPrefix(answer.Code, "08") // it ends, or ended
	}
	return true
}

// inserts notes that rows are about to be inserted.
func (b *Box) inserts(rows []row) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range rows {
		b.doubts.running[string(rows[i].name)]++
	}
}

// inserted notes the end of that.
func (b *Box) inserted(rows []row, err error) {
	late := mayBeThere(err)
	b.mu.Lock()
	defer b.mu.Unlock()
	d := &b.doubts
	for i := range rows {
		name := string(rows[i].name)
		if d.running[name]--; d.running[name] == 0 {
			delete(d.running, name)
		}
		if late && len(d.late) < mostDoubts {
			d.late[name] = now().Add(doubted)
		}
	}
	if len(b.finished) > 0 {
		b.wake()
	}
}

// forgettable takes out what can be forgotten now.
func (b *Box) forgettable() (all []finished) {
	b.mu.Lock()
	defer b.mu.Unlock()
	d := &b.doubts
	b.finished = slices.DeleteFunc(b.finished, func(f finished) bool {
		if d.running[string(f.name)] > 0 {
			return false
		}
		all = append(all, f)
		return true
	})
	return all
}

// forgotten notes what was, which comes again where an insertion may come late.
func (b *Box) forgotten(all []finished) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range all {
		if _, late := b.doubts.late[string(f.name)]; late {
			b.doubts.again = append(b.doubts.again, f)
		}
	}
}

// sayAgain has done again what was said of insertions that may come late.
func (b *Box) sayAgain() {
	b.mu.Lock()
	defer b.mu.Unlock()
	d := &b.doubts
	b.finished = append(b.finished, d.again...)
	d.again = nil
	for name, until := range d.late {
		if now().After(until) {
			delete(d.late, name)
		}
	}
	if len(b.finished) > 0 {
		b.wake()
	}
}

// wake has what is finished forgotten. Call it under the lock.
func (b *Box) wake() {
	select {
	case b.finishes <- struct{}{}:
	default:
	}
}
