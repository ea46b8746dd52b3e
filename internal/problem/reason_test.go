package problem

import "testing"

func TestAnAppChoosesStatuses(t *testing.T) {
	one, err := Statuses(nil).With("Revoked", 451)
	if err != nil {
		t.Fatal(err)
	}
	two, err := one.With("Unknown", 418)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		reason       string
		first, added int
	}{
		{"Revoked", 451, 451},
		{"CustomerNotFound", 403, 403},
		{"Unknown", 403, 418},
		{"SomethingNew", 403, 418},
		{"gate:ClientGone", 403, 403},
	} {
		if first, added := one.Of(tt.reason, 403), two.Of(tt.reason, 403); first != tt.first || added != tt.added {
			t.Errorf("%s gets %d, and with one for Unknown %d; want %d, %d", tt.reason, first, added, tt.first, tt.added)
		}
	}
	for reason, status := range map[string]int{"": 403, "Revoked": 399, "Unknown": 600} {
		if kept, err := two.With(reason, status); err == nil || kept.Of("Revoked", 0) != 451 {
			t.Errorf("%q may have status %d, or others are lost", reason, status)
		}
	}
}
