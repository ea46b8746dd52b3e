package delivery

import (
	"crypto/rand"
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

// Next returns a key that nobody has had.
func (k Keys) Next() string {
	var b [48]byte
	return string(strconv.AppendUint(append(b[:0], k.prefix...), k.last.Add(1), 10))
}

// generated reports whether key is of Keys, of this process or an earlier one.
func generated(key string) bool {
	name, ok := strings.CutPrefix(key, keyStart)
	return ok && len(name) > keyName+1 && name[keyName] == '-'
}
