package delivery

import (
	"crypto/rand"
	"hash/maphash"
	"strconv"
	"strings"
	"sync/atomic"
)

// Keys makes idempotency keys: a random name for this process and a number.
type Keys struct {
	prefix string
	last   *atomic.Uint64
}

const keyStart, keyName = "gate-", 26 // the length of rand.Text

func newKeys() Keys {
	return Keys{prefix: keyStart + rand.Text() + "-", last: new(atomic.Uint64)}
}

// Next returns the number of a key that nobody has had, from 1 on.
func (k Keys) Next() uint64 { return k.last.Add(1) }

// Key is the key with a number of Next's.
func (k Keys) Key(number uint64) string {
	var b [48]byte
	return string(strconv.AppendUint(append(b[:0], k.prefix...), number, 10))
}

// Number is the number of a key, or 0 if it is not one of these.
func (k Keys) Number(key string) uint64 {
	digits, ok := strings.CutPrefix(key, k.prefix)
	if !ok {
		return 0
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || k.Key(n) != key {
		return 0
	}
	return n
}

// generated reports whether key is of Keys, of this process or an earlier one.
func generated(key string) bool {
	name, ok := strings.CutPrefix(key, keyStart)
	return ok && len(name) > keyName+1 && name[keyName] == '-'
}

// numbers is a set of numbers most of which lie side by side.
type numbers map[uint64]uint64

func (n numbers) add(i uint64) { n[i/64] |= 1 << (i % 64) }

// remove takes a number out, and reports whether it was in.
func (n numbers) remove(i uint64) bool {
	word, bit := n[i/64], uint64(1)<<(i%64)
	switch {
	case word&bit == 0:
		return false
	case word == bit:
		delete(n, i/64)
	default:
		n[i/64] = word &^ bit
	}
	return true
}

// named counts usages by series and key. It holds hashes alone: two that share one are
// counted together.
type named struct {
	seed  maphash.Seed
	count map[uint64]int32
}

func newNamed() named { return named{maphash.MakeSeed(), make(map[uint64]int32)} }

// add counts n more, and returns how many there are then.
func (c named) add(s Series, key string, n int32) int32 {
	hash := c.hash(s, key)
	left := c.count[hash] + n
	if c.count[hash] = left; left <= 0 {
		delete(c.count, hash)
	}
	return left
}

// has reports whether there are any.
func (c named) has(s Series, key string) bool { return c.count[c.hash(s, key)] > 0 }

func (c named) hash(s Series, key string) uint64 {
	return maphash.Comparable(c.seed, struct {
		Series
		key string
	}{s, key})
}
