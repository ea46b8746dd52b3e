package redisgate

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/stiggate/gate"
)

// recordVersion is the first byte of a usage as it is kept. Then come its fields in order: texts with
// their length, amounts by their bits, the time in seconds and nanoseconds, and the dimensions.
const recordVersion = 1

var errRecord = errors.New("a usage that can't be read: it is damaged, or of a later version")

// encode is a usage as it is kept.
func encode(u *gate.Usage) (string, error) {
	b := []byte{recordVersion, byte(u.Kind)}
	for _, s := range [...]string{u.Customer.ID, u.Customer.Resource, u.FeatureID, u.Event, u.Currency, u.Key} {
		b = appendText(b, s)
	}
	for _, v := range [...]float64{u.Value, u.Excess} {
		b = binary.BigEndian.AppendUint64(b, math.Float64bits(v))
	}
	b = binary.AppendVarint(b, u.CreatedAt.Unix())
	b = binary.AppendUvarint(b, uint64(u.CreatedAt.Nanosecond())) //nolint:gosec // not below 0
	if u.Dimensions == nil {
		return string(b), nil
	}
	b = binary.AppendUvarint(b, uint64(len(u.Dimensions)))
	for _, name := range slices.Sorted(maps.Keys(u.Dimensions)) {
		value, ok := u.Dimensions[name].(json.RawMessage)
		if !ok {
			var err error
			if value, err = json.Marshal(u.Dimensions[name]); err != nil {
				return "", errors.New("redisgate: a usage has a dimension that is not JSON") // the value would be in the error
			}
		}
		b = appendText(appendText(b, name), string(value))
	}
	return string(b), nil
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// reader reads the fields of a record. bad is set at the first that is not there.
type reader struct {
	rest string
	bad  bool
}

func (r *reader) take(n uint64) string {
	if n > uint64(len(r.rest)) {
		r.bad = true
		return ""
	}
	s := r.rest[:n]
	r.rest = r.rest[n:]
	return s
}

func (r *reader) number() uint64 {
	v, n := binary.Uvarint([]byte(r.rest[:min(len(r.rest), binary.MaxVarintLen64)]))
	if n <= 0 {
		r.bad = true
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *reader) text() string { return r.take(r.number()) }

func (r *reader) amount() float64 {
	s := r.take(8)
	if r.bad {
		return 0
	}
	return math.Float64frombits(binary.BigEndian.Uint64([]byte(s)))
}

func (r *reader) time() time.Time {
	s, n := binary.Varint([]byte(r.rest[:min(len(r.rest), binary.MaxVarintLen64)]))
	if n <= 0 {
		r.bad = true
		return time.Time{}
	}
	r.rest = r.rest[n:]
	return time.Unix(s, int64(r.number()%1e9)).UTC() //nolint:gosec // it fits
}

// decodeUsage is the way back.
func decodeUsage(record string) (u gate.Usage, err error) {
	if len(record) < 2 || record[0] != recordVersion {
		return u, errRecord
	}
	r := &reader{rest: record[2:]}
	u.Kind = gate.UsageKind(record[1])
	for _, s := range [...]*string{&u.Customer.ID, &u.Customer.Resource, &u.FeatureID, &u.Event, &u.Currency, &u.Key} {
		*s = r.text()
	}
	u.Value, u.Excess = r.amount(), r.amount()
	u.CreatedAt = r.time()
	if r.rest != "" && !r.bad {
		n := r.number()
		u.Dimensions = make(map[string]any)
		for ; n > 0 && !r.bad; n-- {
			name := r.text()
			u.Dimensions[name] = json.RawMessage(r.text())
		}
	}
	if r.bad || r.rest != "" {
		return gate.Usage{}, errRecord
	}
	return u, nil
}

// name is what a usage is known by.
type name [16]byte

func nameOf(u *gate.Usage) (n name) {
	var b []byte
	for _, s := range [...]string{u.Customer.ID, u.Customer.Resource, u.FeatureID, u.Event, u.Currency, u.Key} {
		b = appendText(b, s)
	}
	sum := sha256.Sum256(b)
	copy(n[:], sum[:])
	return n
}

func (n name) String() string { return fmt.Sprintf("%x", n[:]) }
