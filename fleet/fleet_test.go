package fleet_test

import (
	"testing"

	"github.com/stiggate/gate/fleet"
)

func TestAccountsAsKeys(t *testing.T) {
	accounts := []fleet.Account{
		{},
		{Customer: "acme", Feature: "api_calls"},
		{Customer: "acme", Resource: "site-1", Feature: "api_calls"},
		{Customer: "acme", Resource: "site-1", Currency: "api_calls"},
		{Customer: "acme/site-1", Feature: "api_calls"},
		{Customer: "a@b|c.d-e_f", Resource: "{x}", Feature: "%2F/ ✉\x00"},
	}
	seen := make(map[string]fleet.Account)
	for _, a := range accounts {
		key := a.String()
		if other, ok := seen[key]; ok {
			t.Errorf("%+v and %+v have one key, %q", a, other, key)
		}
		seen[key] = a
		if got, ok := fleet.ParseAccount(key); !ok || got != a {
			t.Errorf("%q is read as %+v, %v; want %+v", key, got, ok, a)
		}
		for _, c := range key {
			if c == '{' || c == '}' || c <= ' ' || c > '~' {
				t.Errorf("the key %q has a %q", key, c)
			}
		}
	}
	for _, text := range []string{"", "a/b/c", "a/b/feature/c/d", "a/b/plan/c", "%zz//feature/c"} {
		if a, ok := fleet.ParseAccount(text); ok {
			t.Errorf("%q is read as %+v", text, a)
		}
	}
}
