// Package wire holds the scalars of Stigg's GraphQL API that the standard
// library's JSON does not fit.
package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"time"
)

// millis is how a time is written: in UTC to the millisecond, which is all that
// Stigg keeps.
const millis = "2006-01-02T15:04:05.000Z"

// Time is the scalar DateTime. Reading it never fails: one odd date must not
// take a whole answer away. What is no time is the zero time.
type Time struct{ time.Time }

// NewTime is t for an input, nil for the zero time.
func NewTime(t time.Time) *Time {
	if t.IsZero() {
		return nil
	}
	return &Time{t}
}

// Value is the time in UTC; of nil, the zero time.
func (t *Time) Value() time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.Time
}

// MarshalJSON writes ISO 8601 in UTC, to the millisecond.
func (t Time) MarshalJSON() ([]byte, error) {
	if !Representable(t.Time) {
		return nil, errors.New("wire: the year of a time is not in 1..9999")
	}
	return strconv.AppendQuote(nil, t.UTC().Format(millis)), nil
}

// UnmarshalJSON takes ISO 8601 and, because Stigg's older types have it so, a
// number of milliseconds since 1970. Anything else is the zero time.
func (t *Time) UnmarshalJSON(b []byte) error {
	t.Time = time.Time{}
	if len(b) > 0 && b[0] == '"' {
		t.parse(b)
		return nil
	}
	if ms, err := strconv.ParseFloat(string(b), 64); err == nil && math.Abs(ms) < 1<<53 {
		if at := time.UnixMilli(int64(ms)).UTC(); Representable(at) {
			t.Time = at
		}
	}
	return nil
}

func (t *Time) parse(quoted []byte) {
	text := string(quoted[1 : len(quoted)-1])
	if bytes.IndexByte(quoted, '\\') >= 0 && json.Unmarshal(quoted, &text) != nil {
		return
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		at, err = time.Parse("2006-01-02T15:04:05Z0700", text) // ISO 8601 writes offsets without a colon, too
	}
	if err == nil && Representable(at.UTC()) {
		t.Time = at.UTC()
	}
}

// Representable reports whether t can be written in four digits of a year.
func Representable(t time.Time) bool {
	year := t.UTC().Year()
	return year >= 1 && year <= 9999
}
