package outbox

import (
	"errors"
	"fmt"
	"hash/maphash"
	"path/filepath"
	"slices"

	bolt "go.etcd.io/bbolt"
)

// Retry makes usage pending again that was set aside: what has one of the keys, or all
// of it if there are none. It is delivered after what is pending already, with the key
// and the time it always had. It returns how many measurements that were.
//
// No process may have the outbox open; the errors are Open's, and a *PageError, with which
// it was done all the same.
func Retry(dir string, keys ...string) (int, error) {
	return mend(dir, keys, func(t *transaction, record []byte) error {
		key, _, _ := peek(record)
		return t.put(&pack{
			heads: []head{{size: uint32(len(record)), sum: checksum(record), hash: maphash.Bytes(t.seed, key)}},
			data:  record,
		})
	})
}

// Drop deletes usage that was set aside, as Retry retries it. It is gone for good.
func Drop(dir string, keys ...string) (int, error) {
	return mend(dir, keys, func(*transaction, []byte) error { return nil })
}

func mend(dir string, keys []string, do func(t *transaction, record []byte) error) (n int, err error) {
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
			t := &transaction{store: s, usage: tx.Bucket(bucketUsage)}
			c := tx.Bucket(bucketAside).Cursor()
			var chosen [][]byte
			for k, v := c.First(); k != nil; k, v = c.Next() {
				_, _, record, err := parseRefused(v)
				if err != nil {
					continue
				}
				if key, _, ok := peek(record); !ok || len(keys) > 0 && !slices.Contains(keys, string(key)) {
					continue
				}
				if err := do(t, record); err != nil {
					return err
				}
				chosen = append(chosen, k)
			}
			for _, k := range chosen {
				if err := tx.Bucket(bucketAside).Delete(k); err != nil {
					return err
				}
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
