package redisgate

import (
	"time"

	"github.com/stiggate/gate/fleet"
)

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

// CacheRights are those that the documentation names.
const CacheRights = "+evalsha +eval +info +ping +subscribe +unsubscribe +publish +hget +hmget +hset +hdel +hgetall +del +pexpire +get +set +time +wait +cluster " +
	"+zadd +zrem +zcard +zrange +zrangebyscore +xadd +xrange +xdel +xlen +sadd +smembers +hincrby +hsetnx +hlen"

// Patience is for a machine that has much else to do.
func Patience(d time.Duration) Option {
	return func(s *settings) error { s.patience = d; return nil }
}
