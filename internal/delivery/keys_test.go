package delivery

import "testing"

func TestKeysThatTheGateMade(t *testing.T) {
	own := newKeys().Key(1)
	for key, want := range map[string]bool{
		own: true, newKeys().Key(77): true,
		"": false, "k": false, "gate-": false, own[:len(own)-1]: false, "x" + own: false, "gate-order-1": false,
	} {
		if generated(key) != want {
			t.Errorf("%q: got %v", key, !want)
		}
	}
}

func TestKeysAreUnique(t *testing.T) {
	a, b := newKeys(), newKeys()
	seen := map[string]bool{}
	for range 1000 {
		seen[a.Key(a.Next())], seen[b.Key(b.Next())] = true, true
	}
	if len(seen) != 2000 {
		t.Errorf("%d different keys of 2000", len(seen))
	}
}
