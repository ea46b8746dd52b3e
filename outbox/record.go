package outbox

import (
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

// A record is one gate.Usage, in format 1:
//
//	kind, 1 byte
//	CreatedAt, seconds (8) and nanoseconds (4)
//	Value and Excess, the bits (8 each)
//	Key, Customer.ID, Customer.Resource, FeatureID, Event, Currency: length, bytes
//	number of dimensions; name and JSON of each: length, bytes; sorted by name
//
// Fixed numbers are little endian, lengths are uvarints. The time and the key come
// early so that they can be read without the rest.
const (
	atTime  = 1
	atKey   = 29
	noKey   = "has no idempotency key"
	garbled = "can't be decoded"
)

var errGarbled = errors.New("outbox: a record " + garbled)

func appendRecord(b []byte, u *gate.Usage) ([]byte, error) {
	if u.Key == "" {
		return nil, errors.New("outbox: usage " + noKey)
	}
	b = append(b, byte(u.Kind))
	b = appendTime(b, u.CreatedAt)
	b = binary.LittleEndian.AppendUint64(b, math.Float64bits(u.Value))
	b = binary.LittleEndian.AppendUint64(b, math.Float64bits(u.Excess))
	b = appendIdentity(b, u)
	b = binary.AppendUvarint(b, uint64(len(u.Dimensions)))
	if len(u.Dimensions) == 0 {
		return b, nil
	}
	for _, name := range slices.Sorted(maps.Keys(u.Dimensions)) {
		raw, ok := u.Dimensions[name].(json.RawMessage)
		if !ok {
			var err error
			if raw, err = json.Marshal(u.Dimensions[name]); err != nil {
				return nil, errors.New("outbox: usage has a dimension that can't be encoded as JSON")
			}
		}
		b = appendText(b, name)
		b = appendText(b, raw)
	}
	return b, nil
}

// appendIdentity appends what a usage is known by: its key together with whose it is and of what,
// since an app may give one key to usage of several features. In a record it is one piece.
func appendIdentity(b []byte, u *gate.Usage) []byte {
	b = appendText(b, u.Key)
	b = appendText(b, u.Customer.ID)
	b = appendText(b, u.Customer.Resource)
	b = appendText(b, u.FeatureID)
	b = appendText(b, u.Event)
	return appendText(b, u.Currency)
}

func appendText[T string | json.RawMessage](b []byte, s T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendTime(b []byte, t time.Time) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(t.Unix()))
	return binary.LittleEndian.AppendUint32(b, uint32(t.Nanosecond()))
}

// timeOf reads what appendTime wrote; b holds at least 12 bytes.
func timeOf[T string | []byte](b T) time.Time {
	var sec uint64
	var nsec uint32
	for i := range 8 {
		sec |= uint64(b[i]) << (8 * i)
	}
	for i := range 4 {
		nsec |= uint32(b[8+i]) << (8 * i)
	}
	return time.Unix(int64(sec), int64(nsec)).UTC()
}

// decodeRecord needs one string for all texts of the usage, which share its memory.
func decodeRecord(b []byte) (gate.Usage, error) {
	if len(b) < atKey {
		return gate.Usage{}, errGarbled
	}
	u := gate.Usage{
		Kind:      gate.UsageKind(b[0]),
		CreatedAt: timeOf(b[atTime:]),
		Value:     math.Float64frombits(binary.LittleEndian.Uint64(b[13:])),
		Excess:    math.Float64frombits(binary.LittleEndian.Uint64(b[21:])),
	}
	r := reader[string]{rest: string(b[atKey:])}
	u.Key = r.text()
	u.Customer.ID = r.text()
	u.Customer.Resource = r.text()
	u.FeatureID = r.text()
	u.Event = r.text()
	u.Currency = r.text()
	for range r.number() {
		name, raw := r.text(), r.text()
		if r.bad {
			break
		}
		if u.Dimensions == nil {
			u.Dimensions = make(map[string]any)
		}
		u.Dimensions[name] = json.RawMessage(raw)
	}
	if r.bad || len(r.rest) > 0 || u.Key == "" {
		return gate.Usage{}, errGarbled
	}
	return u, nil
}

// peek reads the identity and the time of a record; ok is false if it has no key.
func peek(b []byte) (identity []byte, at time.Time, ok bool) {
	if len(b) < atKey {
		return nil, at, false
	}
	r := reader[[]byte]{rest: b[atKey:]}
	key := r.text()
	for range 5 {
		r.text()
	}
	return b[atKey : len(b)-len(r.rest)], timeOf(b[atTime:]), !r.bad && len(key) > 0
}

// keyOf is the key in an identity.
func keyOf(identity []byte) string {
	r := reader[[]byte]{rest: identity}
	return string(r.text())
}

// reader takes lengths and texts off the front of rest; bad says that one was cut off,
// and stays.
type reader[T string | []byte] struct {
	rest T
	bad  bool
}

func (r *reader[T]) number() uint64 {
	var n uint64
	for i := range min(len(r.rest), binary.MaxVarintLen64) {
		c := r.rest[i]
		n |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			if i == binary.MaxVarintLen64-1 && c > 1 {
				break
			}
			r.rest = r.rest[i+1:]
			return n
		}
	}
	r.bad, r.rest = true, r.rest[:0]
	return 0
}

func (r *reader[T]) text() T {
	n := r.number()
	if n > uint64(len(r.rest)) {
		r.bad, n = true, 0
	}
	s := r.rest[:n]
	r.rest = r.rest[n:]
	return s
}

// A refused record, in format 1: the format, a checksum of the rest, when it was set
// aside, the reason, the record.
func refusedValue(at time.Time, reason string, record []byte) []byte {
	b := make([]byte, 5, 5+12+binary.MaxVarintLen64+len(reason)+len(record))
	b[0] = format
	b = appendTime(b, at)
	b = appendText(b, reason)
	b = append(b, record...)
	binary.LittleEndian.PutUint32(b[1:], checksum(b[5:]))
	return b
}

func parseRefused(value []byte) (at time.Time, reason string, record []byte, err error) {
	if len(value) < 5+12 {
		return at, "", nil, errGarbled
	}
	if value[0] != format {
		return at, "", nil, fmt.Errorf("outbox: a refused record is of format %d, which this Gate does not know", value[0])
	}
	if binary.LittleEndian.Uint32(value[1:]) != checksum(value[5:]) {
		return at, "", nil, errGarbled
	}
	r := reader[[]byte]{rest: value[5+12:]}
	reason = string(r.text())
	if r.bad {
		return at, "", nil, errGarbled
	}
	return timeOf(value[5:]), reason, r.rest, nil
}
