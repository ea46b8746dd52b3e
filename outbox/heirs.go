package outbox

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/stiggate/gate/fleet"
)

// replicasKey has the names of the replicas of a fleet that had the outbox, in format 1: the format, a
// checksum of the rest, the number of names, and of each when it took the outbox over, and the name.
// A file of an earlier Gate has none, and one that reads this file does not look there.
var replicasKey = []byte("replicas")

const (
	// mostReplicas bounds the names: those of a process that starts again and again.
	mostReplicas = 16
	// replicaAge is how long after the next one took over a name is kept. No store remembers what
	// a dead replica had for so long.
	replicaAge = 24 * time.Hour
)

// replica is a process that had the outbox.
type replica struct {
	name  string
	since time.Time
}

var _ fleet.Inheritance = (*Outbox)(nil)

// Inherit is fleet.Inheritance's; the gate calls it. The error is Append's, or says that the names
// could not be read: then they begin anew.
func (o *Outbox) Inherit(heir string) (from []string, err error) {
	before, damage := o.store.replicas()
	now := o.now()
	before = slices.DeleteFunc(before, func(r replica) bool { return r.name == heir })
	for len(before) > 1 && now.Sub(before[1].since) > replicaAge {
		before = before[1:]
	}
	for _, r := range before {
		from = append(from, r.name)
	}
	before = append(before, replica{heir, now})
	value := replicasValue(before[max(0, len(before)-mostReplicas):])
	o.mu.Lock()
	if o.closed || o.failed != nil {
		defer o.mu.Unlock()
		return from, o.state()
	}
	o.queue.replicas = value
	r := o.round
	o.nudge()
	o.mu.Unlock()
	select {
	case <-r.done:
		err = r.err
	case <-time.After(stallAfter):
		err = &DiskError{Dir: o.store.dir, Err: errStalled}
	}
	if err == nil {
		err = damage
	}
	return from, err
}

// replicas are the names in the file.
func (s *store) replicas() (all []replica, err error) {
	if s.foreign.Load() {
		return nil, nil // those of another outbox, which may be in use
	}
	err = s.view(func(tx *bolt.Tx) (err error) {
		about := tx.Bucket(bucketAbout)
		if about == nil {
			return nil
		}
		all, err = parseReplicas(about.Get(replicasKey))
		return err
	})
	return all, err
}

func replicasValue(all []replica) []byte {
	b := make([]byte, 5, 64)
	b[0] = format
	b = binary.AppendUvarint(b, uint64(len(all)))
	for _, r := range all {
		b = appendText(appendTime(b, r.since), r.name)
	}
	binary.LittleEndian.PutUint32(b[1:], checksum(b[5:]))
	return b
}

func parseReplicas(value []byte) (all []replica, err error) {
	const what = "outbox: the names of the replicas that had it "
	switch {
	case len(value) == 0:
		return nil, nil
	case value[0] != format:
		return nil, fmt.Errorf(what+"are of format %d, which this Gate does not know", value[0])
	case len(value) < 5 || binary.LittleEndian.Uint32(value[1:]) != checksum(value[5:]):
		return nil, errors.New(what + "can't be read")
	}
	r := reader[string]{rest: string(value[5:])}
	for range min(r.number(), mostReplicas) {
		if len(r.rest) < 12 {
			break
		}
		since := timeOf(r.rest)
		r.rest = r.rest[12:]
		all = append(all, replica{r.text(), since})
	}
	if r.bad || len(r.rest) > 0 {
		return nil, errors.New(what + "can't be read")
	}
	return all, nil
}
