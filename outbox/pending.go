package outbox

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/stiggate/gate"
)

// chunkBytes of the file are copied at a time, so that no reader holds up the writer.
const chunkBytes = 512 << 10

func sequence(key []byte) uint64 {
	if len(key) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(key)
}

// stored is a group as it lies in the file.
type stored struct {
	seq   uint64
	value []byte
	done  []byte
}

// stored yields the groups from first to last, copies, and an error for what can't be
// read.
func (s *store) stored(first, last uint64) iter.Seq2[stored, error] {
	return func(yield func(stored, error) bool) {
		for next := first; next <= last; {
			chunk, more, err := s.chunk(next, last)
			for _, g := range chunk {
				if !yield(g, nil) {
					return
				}
				next = g.seq + 1
			}
			if err != nil {
				yield(stored{seq: next}, err)
				return
			}
			if !more {
				return
			}
		}
	}
}

func (s *store) chunk(first, last uint64) (chunk []stored, more bool, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		done, c := tx.Bucket(bucketDone), tx.Bucket(bucketUsage).Cursor()
		size := 0
		for k, v := c.Seek(number(first)); k != nil && sequence(k) <= last; k, v = c.Next() {
			if size >= chunkBytes {
				more = true
				return nil
			}
			size += len(v)
			chunk = append(chunk, stored{seq: sequence(k), value: append([]byte(nil), v...), done: append([]byte(nil), done.Get(k)...)})
		}
		return nil
	})
	return chunk, more, err
}

// last is the number of the newest group.
func (s *store) last() (seq uint64, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		k, _ := tx.Bucket(bucketUsage).Cursor().Last()
		seq = sequence(k)
		return nil
	})
	return seq, err
}

// records yields what of a group is not done, and a *RecordError for what can't be read.
func (g stored) records(yield func(found, error) bool) {
	parsed, err := parse(g.seq, g.value)
	if err != nil {
		yield(found{}, err)
		return
	}
	done := parseBitmap(g.done, len(parsed.records))
	for i, record := range parsed.records {
		if done.has(i) {
			continue
		}
		var err error
		if record == nil {
			err = &RecordError{Group: g.seq, Record: i, Problem: garbled}
		}
		if !yield(found{at: i, data: record}, err) {
			return
		}
	}
}

// found is a record and its position in its group.
type found struct {
	at   int
	data []byte
}

// Pending yields what is kept behind a position and neither done nor set aside, in the order of
// Append, reading the file as it goes: about half a megabyte is in memory at a time. What is
// appended while it runs is not yielded. For what can't be read it yields a *RecordError; that
// stays in the file, and the rest follows. From 0 on it yields a *PageError first if the newest
// commit could not be read by Open.
func (o *Outbox) Pending(after gate.Position) iter.Seq2[gate.Kept, error] {
	return func(yield func(gate.Kept, error) bool) {
		if err := o.sync(); err != nil {
			if !yield(gate.Kept{}, err) || errors.Is(err, ErrClosed) {
				return
			}
		}
		if o.missing != nil && after == 0 && !yield(gate.Kept{At: 1}, o.missing) { // before all that can be read
			return
		}
		last, err := o.store.last()
		if err != nil {
			yield(gate.Kept{}, &DiskError{Dir: o.store.dir, Err: err})
			return
		}
		for g, err := range o.store.stored(max(place(after).group(), 1), last) {
			if err != nil {
				yield(gate.Kept{}, &DiskError{Dir: o.store.dir, Err: err})
				return
			}
			for record, err := range g.records {
				at := gate.Position(placeOf(g.seq, record.at))
				if at <= after {
					continue
				}
				var u gate.Usage
				if err == nil {
					u, err = decodeRecord(record.data)
				}
				if errors.Is(err, errGarbled) {
					err = &RecordError{Group: g.seq, Record: record.at, Problem: garbled}
				}
				if !yield(gate.Kept{Usage: u, At: at}, err) {
					return
				}
			}
		}
	}
}

// expire sets aside what is older than MaxAge, 1,000 at a time.
func (o *Outbox) expire() error {
	now, expired := o.now(), 0
	oldest := now.Add(-o.maxAge)
	expiry := &refusal{reason: fmt.Sprintf("older than %v", o.maxAge), at: now}
	last, err := o.store.last()
	if err != nil {
		return err
	}
	var w work
	set := func() error {
		err := o.store.write(&w)
		expired += len(w.ends)
		w = work{}
		return err
	}
	for g, err := range o.store.stored(1, last) {
		if err != nil {
			return err
		}
		for record, err := range g.records {
			if err != nil {
				continue // it stays
			}
			if id, at, ok := peek(record.data); ok && at.Before(oldest) {
				w.ends = append(w.ends, end{id: string(id), refusal: expiry})
			}
		}
		if len(w.ends) >= 1000 {
			if err := set(); err != nil {
				return err
			}
		}
	}
	if !w.empty() {
		if err := set(); err != nil {
			return err
		}
	}
	if expired > 0 {
		o.log.Warn("outbox: usage was set aside, it is too old to deliver", "dir", o.store.dir, "usages", expired, "maxAge", o.maxAge.Round(time.Second))
	}
	return nil
}
