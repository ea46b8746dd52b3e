package wire

import (
	"encoding/json"
	"testing"
	"time"
)

func TestTimesAreWrittenInUTCToTheMillisecond(t *testing.T) {
	at := time.Date(2026, 5, 4, 14, 30, 0, 123999999, time.FixedZone("", 7200))
	raw, err := json.Marshal(NewTime(at))
	if err != nil || string(raw) != `"2026-05-04T12:30:00.123Z"` {
		t.Errorf("got %s, %v", raw, err)
	}
	if _, err := json.Marshal(NewTime(time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC))); err == nil {
		t.Error("a year of five digits was written")
	}
}

func TestTheZeroTimeIsAbsent(t *testing.T) {
	if NewTime(time.Time{}) != nil {
		t.Error("the zero time is sent")
	}
	var absent *Time
	if !absent.Value().IsZero() {
		t.Error("nil is some time")
	}
}

func FuzzTime(f *testing.F) {
	for _, text := range []string{`"2026-05-04T12:30:00Z"`, `1777897800000`, `null`, `"\u0032"`, `-1e300`, `{}`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var got struct{ At *Time }
		err := json.Unmarshal([]byte(`{"at":`+text+`}`), &got)
		if err != nil && json.Valid([]byte(text)) {
			t.Fatalf("%s: %v", text, err)
		}
		if at := got.At.Value(); err == nil && !at.IsZero() {
			if _, err := json.Marshal(got.At); err != nil {
				t.Fatalf("%s is %v, which can't be written: %v", text, at, err)
			}
		}
	})
}
