package outbox

import (
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"path/filepath"
	"slices"

	bolt "go.etcd.io/bbolt"
)

// Retry makes usage pending again that was set aside: what is named, or all of it if nothing is.
// A name is an ID of Report.SetAside, or a key that one usage alone of those has: for a key that
// several have, and that says of none which is meant, the error is an *AmbiguousKeyError. It is
// delivered after what is pending already, with the key and the time it always had. It returns how
// many measurements that were.
//
// No process may have the outbox open; the errors are Open's, and a *PageError, with which
// it was done all the same.
func Retry(dir string, names ...string) (int, error) {
	return mend(dir, names, func(t *transaction, record []byte) error {
		identity, _, _ := peek(record)
		return t.put(&pack{
			heads: []head{{size: uint32(len(record)), sum: checksum(record), hash: maphash.Bytes(t.seed, identity)}},
			data:  record,
		})
	})
}

// Drop deletes usage that was set aside, as Retry retries it. It is gone for good.
func Drop(dir string, names ...string) (int, error) {
	return mend(dir, names, func(*transaction, []byte) error { return nil })
}

func mend(dir string, names []string, do func(t *transaction, record []byte) error) (n int, err error) {
	dir, err = filepath.Abs(dir)
	if err != nil {
		return 0, &DirError{Dir: dir, Err: err}
	}
	s := &store{dir: dir, seed: maphash.MakeSeed()}
	if err := s.exists(); err != nil {
		return 0, err
	}
	if err := s.open(); err != nil {
		return 0, err
	}
	err = guard(func() error {
		return s.update(func(tx *bolt.Tx) error {
			chosen, err := choose(tx.Bucket(bucketAside), names)
			if err != nil {
				return err
			}
			t := &transaction{store: s, usage: tx.Bucket(bucketUsage)}
			for _, r := range chosen {
				if err := do(t, r.record); err != nil {
					return err
				}
				if err := tx.Bucket(bucketAside).Delete(r.number); err != nil {
					return err
				}
				s.sum -= term(sumAside, r.number)
			}
			n = len(chosen)
			return nil
		})
	})
	if err = errors.Join(err, s.close()); err != nil {
		return 0, fmt.Errorf("outbox: nothing was changed in %s: %w", dir, err)
	}
	return n, s.damage()
}

// aside is usage that was set aside, in the file.
type aside struct{ number, record []byte }

// choose returns what is named, or all; copies, since what is deleted moves what is not.
func choose(bucket *bolt.Bucket, names []string) (chosen []aside, err error) {
	byKey := make(map[string][]string) // IDs
	err = bucket.ForEach(func(number, value []byte) error {
		_, _, record, err := parseRefused(value)
		if err != nil {
			return nil //nolint:nilerr // what can't be read stays
		}
		identity, _, ok := peek(record)
		if !ok {
			return nil
		}
		id, key := refusedID(number), keyOf(identity)
		named := slices.Contains(names, key)
		if named {
			byKey[key] = append(byKey[key], id)
		}
		if named || len(names) == 0 || slices.Contains(names, id) {
			chosen = append(chosen, aside{bytes.Clone(number), bytes.Clone(record)})
		}
		return nil
	})
	for key, ids := range byKey {
		if len(ids) > 1 {
			return nil, &AmbiguousKeyError{Key: key, IDs: ids}
		}
	}
	return chosen, err
}
