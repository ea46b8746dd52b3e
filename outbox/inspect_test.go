package outbox

import (
	"errors"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/stiggate/gate"
)

func TestInspect(t *testing.T) {
	dir := t.TempDir()
	now := time.Date(2026, 3, 1, 12, 0, 0, 5, time.UTC)
	clock := WithClock(func() time.Time { return now })
	o := open(t, dir, clock)
	who := gate.Customer{ID: "customer-1", Resource: "site-1"}
	all := []gate.Usage{
		{Customer: who, FeatureID: "feature-2", Value: 1, Key: "a", CreatedAt: now},
		{Customer: who, FeatureID: "feature-1", Value: 1, Key: "b", CreatedAt: now.Add(-time.Hour)},
		{Customer: who, FeatureID: "feature-2", Value: 1, Key: "c", CreatedAt: now},
		{Customer: who, Kind: gate.UsageEvent, Event: "sent", Key: "d", CreatedAt: now},
		{Customer: who, Kind: gate.UsageCredits, Currency: "coins", Value: 1, Key: "e", CreatedAt: now},
		{Customer: who, FeatureID: "feature-1", Value: 7, Key: "f", CreatedAt: now.Add(-2 * time.Hour)},
	}
	if err := o.Append(t.Context(), all...); err != nil {
		t.Fatal(err)
	}
	if err := o.SetAside(all[5], "no such feature"); err != nil {
		t.Fatal(err)
	}
	live, err := o.Inspect()
	if err != nil {
		t.Fatal(err)
	}
	closeBox(t, o)
	if _, err := o.Inspect(); !errors.Is(err, ErrClosed) {
		t.Errorf("Inspect after Close: %v", err)
	}
	got, err := Inspect(dir)
	if err != nil || !reflect.DeepEqual(got, live) {
		t.Errorf("closed: %+v, %v, open: %+v", got, err, live)
	}
	want := Report{
		Dir: dir, Pending: 5, Oldest: now.Add(-time.Hour), PendingBytes: got.PendingBytes, FileBytes: got.FileBytes,
		ByName: []Count{
			{Kind: "change", Name: "feature-1", Count: 1}, {Kind: "change", Name: "feature-2", Count: 2},
			{Kind: "credits", Name: "coins", Count: 1}, {Kind: "event", Name: "sent", Count: 1},
		},
		SetAside: []Refused{{
			ID: "#1", Key: "f", Customer: who, Kind: "change", Name: "feature-1", Value: 7, CreatedAt: now.Add(-2 * time.Hour),
			Reason: "no such feature", At: now,
		}},
	}
	sum := int64(0)
	for i := range got.ByName {
		sum += got.ByName[i].Bytes
		got.ByName[i].Bytes = 0
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if sum != got.PendingBytes || sum == 0 || got.FileBytes == 0 {
		t.Errorf("%d bytes pending, %d by name, %d in the file", got.PendingBytes, sum, got.FileBytes)
	}
}

func TestInspectMakesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "none")
	_, err := Inspect(dir)
	_, errRetry := Retry(dir)
	for _, err := range []error{err, errRetry} {
		if e := new(DirError); !errors.As(err, &e) {
			t.Errorf("got %v, want a *DirError", err)
		}
	}
	if found, _ := filepath.Glob(dir + "*"); len(found) > 0 {
		t.Errorf("%v was made", found)
	}
}

func TestRetryAndDrop(t *testing.T) {
	dir := t.TempDir()
	o := open(t, dir)
	keep(t, o, "a", "b", "c", "d")
	for _, key := range []string{"a", "b", "c"} {
		if err := o.SetAside(fresh(key), "refused"); err != nil {
			t.Fatal(err)
		}
	}
	var before gate.Usage
	for u, err := range o.Pending(0) {
		if err != nil {
			t.Fatal(err)
		}
		before = u.Usage
	}
	closeBox(t, o)
	if n, err := Retry(dir, "b", "d", "unknown"); n != 1 || err != nil {
		t.Errorf("Retry: %d, %v, want 1: d is not set aside", n, err)
	}
	if n, err := Drop(dir, "a"); n != 1 || err != nil {
		t.Errorf("Drop: %d, %v", n, err)
	}
	o = open(t, dir)
	wantPending(t, o, "d", "b")
	for u, err := range o.Pending(0) {
		if err != nil || u.Key == "d" && !reflect.DeepEqual(u.Usage, before) {
			t.Errorf("got %+v, want %+v", u, before)
		}
	}
	if r, err := o.Inspect(); err != nil || len(r.SetAside) != 1 || r.SetAside[0].Key != "c" {
		t.Errorf("%+v, %v", r, err)
	}
	closeBox(t, o)
	if n, err := Retry(dir); n != 1 || err != nil {
		t.Errorf("Retry of all: %d, %v", n, err)
	}
	wantPending(t, open(t, dir), "d", "b", "c")
}
