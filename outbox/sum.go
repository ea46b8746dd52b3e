package outbox

import (
	"encoding/binary"
	"errors"
	"fmt"

	bolt "go.etcd.io/bbolt"
)

// A copy made of the file while the outbox is in use may have pages of several commits. Its pages
// may fit together all the same, so each commit leaves a sum of what the file holds then: of the
// number of each group and of what is set aside, and of the checksum of what is done of a group.
// What a number names never changes, so the numbers stand for it. A term is added and taken away
// again in any order.
//
// The sum stands with the number of its transaction in sumKey, 8 bytes each, and is written in each:
// pages that are all of one commit, but not of the one that the first page names, are found too.
type sum uint64

// The kinds of terms.
const (
	sumUsage = 1 + iota
	sumDone
	sumAside
)

// term is that of a key of a bucket.
func term(kind uint64, key []byte) sum { return sum(mix(mix(sequence(key)) + kind)) }

// doneTerm is that of a bitmap, or 0 for none.
func doneTerm(key, value []byte) sum {
	if len(value) < 4 {
		return 0
	}
	return sum(mix(uint64(term(sumDone, key)) + uint64(binary.LittleEndian.Uint32(value))))
}

// mix is the finalizer of SplitMix64: numbers that follow each other become unlike.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// sumOf is the sum of what the file holds.
func sumOf(tx *bolt.Tx) (total sum, err error) {
	add := func(bucket []byte, of func(k, v []byte) sum) error {
		return tx.Bucket(bucket).ForEach(func(k, v []byte) error {
			total += of(k, v)
			return nil
		})
	}
	err = errors.Join(
		add(bucketUsage, func(k, _ []byte) sum { return term(sumUsage, k) }),
		add(bucketDone, doneTerm),
		add(bucketAside, func(k, _ []byte) sum { return term(sumAside, k) }),
	)
	return total, err
}

// seal leaves the sum in the file.
func (s *store) seal(tx *bolt.Tx) error {
	about := tx.Bucket(bucketAbout)
	if err := about.Put(formatKey, []byte{fileFormat}); err != nil {
		return err
	}
	return about.Put(sumKey, binary.BigEndian.AppendUint64(number(uint64(tx.ID())), uint64(s.sum)))
}

// whole is an error if the file does not hold what its newest commit left.
func whole(tx *bolt.Tx) error {
	sealed := tx.Bucket(bucketAbout).Get(sumKey)
	if len(sealed) != 16 {
		return errors.New("it has no sum")
	}
	if at := sequence(sealed[:8]); at != uint64(tx.ID()) {
		return fmt.Errorf("it holds commit %d, not %d", at, tx.ID())
	}
	found, err := sumOf(tx)
	if err == nil && found != sum(sequence(sealed[8:])) {
		err = errors.New("what it holds is not of one commit")
	}
	return err
}

const mixed = "lacks something, as a copy does that was made of the file while a process had it open " +
	"(copy it with Outbox.Backup, or with stigg outbox -backup when no process has it open)"

// home is what homeKey holds: the file's own number in its file system, by which a copy is known,
// and how much of it could not be read. A disk that loses bits leaves some usage that can't be
// read, which is said and stays; in a copy that was made while the file was in use, the same is
// what was overwritten meanwhile.
func (s *store) home() []byte {
	return binary.BigEndian.AppendUint64(number(fileNumber(s.info)), uint64(s.unreadable))
}

// copied is an error if the file is a copy of which more can't be read than of what it was made from.
func (s *store) copied(tx *bolt.Tx) error {
	home := tx.Bucket(bucketAbout).Get(homeKey)
	if len(home) != 16 || sequence(home[:8]) == fileNumber(s.info) {
		return nil
	}
	s.foreign.Store(true)
	if before := sequence(home[8:]); uint64(s.unreadable) > before {
		return &FileError{Path: s.path(), Problem: mixed, Err: fmt.Errorf("%d records can't be read, %d when it was in its place", s.unreadable, before)}
	}
	return nil
}
