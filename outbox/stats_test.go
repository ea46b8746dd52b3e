package outbox

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stiggate/gate"
)

func TestTheFiguresAreThoseOfTheFile(t *testing.T) {
	dir := t.TempDir()
	o := open(t, dir, MaxBytes(64<<20))
	u := make([]gate.Usage, 3)
	for i := range u {
		u[i] = gate.Usage{Customer: gate.Customer{ID: "c"}, FeatureID: "f", Value: 1, Key: fmt.Sprint(i), CreatedAt: time.Now()}
	}
	empty := o.Stats()
	if empty.Pending != 0 || empty.Bytes <= 0 || empty.MaxBytes != 64<<20 || empty.Err != nil {
		t.Errorf("an empty outbox: %+v", empty)
	}
	if err := o.Append(t.Context(), u...); err != nil {
		t.Fatal(err)
	}
	if s := o.Stats(); s.Pending != 3 || s.Bytes < empty.Bytes || s.Sync <= 0 {
		t.Errorf("with three: %+v", s)
	}
	if err := errors.Join(o.Done(u[0]), o.SetAside(u[1], "unknown"), o.sync()); err != nil {
		t.Fatal(err)
	}
	if s := o.Stats(); s.Pending != 1 || s.SetAside != 1 || s.Err != nil {
		t.Errorf("one is done, one refused, one left: %+v", s)
	}
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	if s := o.Stats(); s.Pending != 1 || !errors.Is(s.Err, ErrClosed) {
		t.Errorf("closed: %+v", s)
	}
	if s := open(t, dir).Stats(); s.Pending != 1 || s.SetAside != 1 {
		t.Errorf("opened again: %+v", s)
	}
}
