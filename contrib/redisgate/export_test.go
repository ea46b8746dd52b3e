package redisgate

import "github.com/stiggate/gate/fleet"

// WithFault has the store run its script with a fault.
func WithFault(s *Store, fault func(string) string) *Store {
	if fault != nil {
		return s.with(fault(script))
	}
	return s
}

// Keys are the keys of an account.
func Keys(s *Store, a fleet.Account) []string { return s.keys(a) }

// CheckInfo reads the answer to INFO.
var CheckInfo = checkInfo
