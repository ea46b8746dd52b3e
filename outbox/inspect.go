package outbox

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/stiggate/gate"
)

// Report says what an outbox holds.
type Report struct {
	Dir string `json:"dir"`
	// Pending is how many measurements wait for Stigg, PendingBytes what they take, and
	// Oldest the CreatedAt of the oldest of them; zero if there are none.
	Pending      int       `json:"pending"`
	PendingBytes int64     `json:"pendingBytes"`
	Oldest       time.Time `json:"oldest,omitzero"`
	// ByName is sorted by kind and name.
	ByName []Count `json:"byName"`
	// SetAside is in the order in which it was set aside.
	SetAside []Refused `json:"setAside"`
	// Replicas are the names of the replicas of a fleet that had it, the newest last, for a day after
	// the next one took it over.
	Replicas []string `json:"replicas"`
	// Unreadable has the text of one error for each record, and first page, that can't be
	// read.
	Unreadable []string `json:"unreadable"`
	// FileBytes is the size of the file, which does not shrink and is about half a megabyte
	// when nothing is kept.
	FileBytes int64 `json:"fileBytes"`
}

// Count is how much of one kind is pending.
type Count struct {
	Kind string `json:"kind"` // as gate.UsageKind has it
	// Name is the feature's id; of an event without a feature the event's name, of
	// credits the currency.
	Name  string `json:"name"`
	Count int    `json:"count"`
	Bytes int64  `json:"bytes"`
}

// Refused is usage that was set aside.
type Refused struct {
	// ID is its name among those that are set aside: # and a number.
	ID        string        `json:"id"`
	Key       string        `json:"key"`
	Customer  gate.Customer `json:"customer,omitzero"`
	Kind      string        `json:"kind"`
	Name      string        `json:"name"`
	Value     float64       `json:"value"`
	CreatedAt time.Time     `json:"createdAt"`
	Reason    string        `json:"reason"`
	At        time.Time     `json:"at"` // when it was set aside
}

// Inspect reads the outbox in dir and changes nothing. While a process has it open, the
// error is a *LockedError; ask that process's Outbox. If the error is a *FileError, the
// Report holds what could be read all the same.
func Inspect(dir string) (Report, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return Report{}, &DirError{Dir: dir, Err: err}
	}
	s := &store{dir: dir}
	if err := s.exists(); err != nil {
		return Report{Dir: dir}, err
	}
	if info, err := os.Stat(s.path()); err == nil && info.Size() == 0 {
		return Report{Dir: dir}, nil // the process ended before anything was written
	}
	damage := s.explain(guard(s.verify))
	var report Report
	if s.db != nil {
		report, err = s.report()
	}
	if s.damaged != nil {
		report.Unreadable = append(report.Unreadable, s.damaged.Error())
	}
	return report, errors.Join(damage, s.explain(err), s.close())
}

// Inspect says what the outbox holds, once what was queued is written.
func (o *Outbox) Inspect() (Report, error) {
	if err := o.sync(); err != nil {
		return Report{Dir: o.store.dir}, err
	}
	r, err := o.store.report()
	if err != nil {
		err = &DiskError{Dir: o.store.dir, Err: err}
	}
	return r, err
}

// exists says whether there is a file, since opening one would make it.
func (s *store) exists() error {
	if _, err := os.Stat(s.path()); err != nil {
		return &DirError{Dir: s.dir, Err: err}
	}
	return nil
}

func (s *store) report() (Report, error) {
	r := Report{Dir: s.dir}
	info, err := os.Stat(s.path())
	if err != nil {
		return r, err
	}
	r.FileBytes = info.Size()
	last, err := s.last()
	if err != nil {
		return r, err
	}
	counts := make(map[Count]Count) // by kind and name
	for g, err := range s.stored(1, last) {
		if err != nil {
			return r, err
		}
		for record, err := range g.records {
			var u gate.Usage
			if err == nil {
				u, err = decodeRecord(record.data)
			}
			if err != nil {
				r.Unreadable = append(r.Unreadable, err.Error())
				continue
			}
			r.add(u, len(record.data), counts)
		}
	}
	r.ByName = slices.SortedFunc(maps.Values(counts), func(a, b Count) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
	})
	replicas, err := s.replicas()
	if err != nil {
		r.Unreadable = append(r.Unreadable, err.Error())
	}
	for _, one := range replicas {
		r.Replicas = append(r.Replicas, one.name)
	}
	return r, s.view(func(tx *bolt.Tx) error { return tx.Bucket(bucketAside).ForEach(r.refused) })
}

func (r *Report) add(u gate.Usage, bytes int, counts map[Count]Count) {
	r.Pending++
	r.PendingBytes += int64(bytes)
	if r.Oldest.IsZero() || u.CreatedAt.Before(r.Oldest) {
		r.Oldest = u.CreatedAt
	}
	name := Count{Kind: u.Kind.String(), Name: nameOf(&u)}
	c, ok := counts[name]
	if !ok {
		c = name
		c.Name = string([]byte(c.Name)) // not the whole record's memory
	}
	c.Count++
	c.Bytes += int64(bytes)
	counts[Count{Kind: c.Kind, Name: c.Name}] = c
}

func (r *Report) refused(number, value []byte) error {
	at, reason, record, err := parseRefused(value)
	var u gate.Usage
	if err == nil {
		u, err = decodeRecord(record)
	}
	if err != nil {
		r.Unreadable = append(r.Unreadable, err.Error())
		return nil
	}
	r.SetAside = append(r.SetAside, Refused{
		ID: refusedID(number), Key: u.Key, Customer: u.Customer, Kind: u.Kind.String(), Name: nameOf(&u), Value: u.Value,
		CreatedAt: u.CreatedAt, Reason: reason, At: at,
	})
	return nil
}

// refusedID is the ID of what is set aside under a number.
func refusedID(number []byte) string { return fmt.Sprintf("#%d", sequence(number)) }

func nameOf(u *gate.Usage) string { return cmp.Or(u.FeatureID, u.Event, u.Currency) }
