// Package valid says what Stigg takes: ids, amounts, and what is sent along with an event.
package valid

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
)

// maxID is the length of the longest customer, resource or feature id that Stigg takes.
const maxID = 255

// ID returns what is wrong with an id, or "": a letter or digit, then up to 254 letters,
// digits, or any of _ | . - and, with at, @. It never quotes the id.
func ID(id string, at bool) string {
	if id == "" {
		return "is empty"
	}
	if len(id) > maxID {
		return fmt.Sprintf("is longer than %d bytes", maxID)
	}
	for i := range len(id) {
		c := id[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case i == 0:
			return "does not begin with a letter or a digit"
		case c == '_', c == '|', c == '.', c == '-', at && c == '@':
		default:
			return fmt.Sprintf("has a byte that is not allowed at position %d", i)
		}
	}
	return ""
}

// mostAmount is the largest number up to which a float64, and so JSON, counts every unit.
const mostAmount = 1 << 53

// Amount returns what is wrong with an amount that is asked for or reported, or "".
func Amount(n float64) string {
	switch {
	case math.IsNaN(n):
		return "is not a number"
	case math.IsInf(n, 0):
		return "is infinite"
	case n < 0:
		return "is negative"
	case n > mostAmount:
		return "is too large to be counted"
	}
	return ""
}

// leastAmount is the least that a request may ask for beside 0: a sum of usage can lose what is
// smaller, which would be free for ever at a used-up limit.
const leastAmount = 1e-6

// Asked returns what is wrong with an amount that a request asks for, or "".
func Asked(n float64) string {
	if problem := Amount(n); problem != "" || n == 0 || n >= leastAmount {
		return problem
	}
	return "is too small to be counted"
}

// MaxNamed bounds names, keys and dimensions of one usage together: the largest event that
// Stigg takes is 1 MB, and some of it is ids, time and punctuation.
const MaxNamed = 1_000_000 - 4096

// Encode encodes the values of dimensions, so that nothing that follows can stumble over one
// of them or see it change. size is that of the names and keys that go with them. It returns
// what is wrong, too, or "".
func Encode(dimensions map[string]any, size int) (map[string]any, string) {
	if len(dimensions) == 0 {
		return nil, ""
	}
	encoded := maps.Clone(dimensions)
	for name, value := range dimensions {
		raw, err := json.Marshal(value)
		if err != nil {
			return nil, "has a dimension that can't be encoded as JSON"
		}
		if size += len(name) + len(raw) + len(`"":,`); size > MaxNamed {
			return nil, "has dimensions of more than 1 MB"
		}
		encoded[name] = json.RawMessage(raw)
	}
	return encoded, ""
}

// Size is how many bytes encoded dimensions take, with their names.
func Size(encoded map[string]any) (n int) {
	for name, value := range encoded {
		raw, _ := value.(json.RawMessage)
		n += len(name) + len(raw)
	}
	return n
}
