// Package redisgate is a store for package fleet on Redis: what all replicas of an app have of each
// limited account, so that one limit holds for all of them. Beside it are [Cache], which has them share
// what they read of Stigg, and [Outbox], in which usage outlives the process.
//
//	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{"redis:6379"}})
//	...
//	store, err := redisgate.New(ctx, client)
//
// How it reaches Redis is the client's matter: TLS, users and passwords, Sentinel, Cluster.
//
// # What is kept
//
// An account is one hash of 200 bytes and about 40 for each replica that has some of it, and one
// script changes it in one step. Keys begin with the prefix and one of 64 hash tags, such as
// gate:{17}:, so that they spread over the nodes of a cluster. They expire two hours after their
// last use. A user of Redis that may do no more needs:
//
//	ACL SETUSER gate on >secret ~gate:* &gate:* +evalsha +eval +info +ping +subscribe +unsubscribe
//	    +publish +hget +hmget +hset +hdel +hgetall +del +pexpire +get +set +time +wait +cluster
//	    +zadd +zrem +zcard +zrange +zrangebyscore +xadd +xrange +xdel +xlen +sadd +smembers +hincrby
//	    +hsetnx +hlen
//
// # Before the first use
//
// A Redis that has lost all and one that is new look alike. So the first use of each hash tag grants
// nothing for five seconds, and until Stigg was asked for a count: by then replicas that run on have
// told what they have. Call [Provision] once for a Redis that is new, as for a migration, and it
// grants at once.
//
// # Settings of Redis
//
// No key may be evicted: maxmemory-policy must be noeviction or volatile-ttl if maxmemory is set.
// With appendonly and appendfsync everysec at most the last second is lost. Where replicas of Redis take over, set min-replicas-to-write 1 and
// min-replicas-max-lag 10, which end a split, or use [WaitFor].
package redisgate

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"

	"github.com/redis/rueidis"

	"github.com/stiggate/gate/fleet"
)

//go:embed sync.lua
var script string

// version is that of the script's keys.
const version = "1"

// shards is how many hash tags there are.
const shards = 64

// Store is a fleet.Fleet on Redis. Use New. The client is the app's, and stays open.
type Store struct {
	settings
	text string // the script
	sha  string
}

func newStore(client rueidis.Client, options []Option) (*Store, error) {
	of, err := apply(client, options, ofStore)
	if err != nil {
		return nil, err
	}
	return (&Store{settings: of}).with(script), nil
}

// with has the store run a script.
func (s *Store) with(text string) *Store {
	s.text = text
	s.sha = sha(text)
	return s
}

// New checks that Redis can be used, and that nothing of another version is in it. The error is a
// *SetupError if it can't.
func New(ctx context.Context, client rueidis.Client, options ...Option) (*Store, error) {
	s, err := newStore(client, options)
	if err != nil {
		return nil, err
	}
	return s, s.check(ctx)
}

// Provision says that Redis is new: nothing was ever kept under the prefix. Call it once, before
// the first replica starts. It does nothing where something is kept already.
func Provision(ctx context.Context, client rueidis.Client, options ...Option) error {
	s, err := New(ctx, client, options...)
	if err != nil {
		return err
	}
	for i := range shards {
		if err := client.Do(ctx, client.B().Set().Key(s.bornKey(i)).Value("0").Nx().Build()).Error(); err != nil && !rueidis.IsRedisNil(err) {
			return wrap(err)
		}
	}
	return nil
}

func (s *settings) tag(shard int) string { return s.prefix + ":{" + strconv.Itoa(shard) + "}:" }

func (s *Store) bornKey(shard int) string { return s.tag(shard) + "born" }

func (s *Store) channel() string { return s.prefix + ":recall" }

// keys are the account's and that of its tag's birth.
func (s *Store) keys(a fleet.Account) []string {
	name := a.String()
	h := fnv.New32a()
	_, _ = h.Write([]byte(name))
	shard := int(h.Sum32() % shards)
	return []string{s.tag(shard) + name, s.bornKey(shard)}
}

// Sync is fleet.Fleet's: one script for each state, in one round trip.
func (s *Store) Sync(ctx context.Context, states []fleet.State) ([]fleet.Grant, error) {
	if s.replicas > 0 {
		return s.syncAndWait(ctx, states), nil
	}
	commands := make(rueidis.Commands, len(states))
	for i := range states {
		commands[i] = s.evalSHA(s.keys(states[i].Account), s.arguments(&states[i]))
	}
	grants := make([]fleet.Grant, len(states))
	for i, result := range s.client.DoMulti(ctx, commands...) {
		if isNoScript(result.Error()) {
			result = s.client.Do(ctx, s.eval(s.keys(states[i].Account), s.arguments(&states[i])))
		}
		grants[i] = s.grant(result)
	}
	return grants, nil
}

func isNoScript(err error) bool {
	answer, ok := rueidis.IsRedisErr(err)
	return ok && answer.IsNoScript()
}

func (s *Store) evalSHA(keys, arguments []string) rueidis.Completed {
	return s.client.B().Evalsha().Sha1(s.sha).Numkeys(int64(len(keys))).Key(keys...).Arg(arguments...).Build()
}

func (s *Store) eval(keys, arguments []string) rueidis.Completed {
	return s.client.B().Eval().Script(s.text).Numkeys(int64(len(keys))).Key(keys...).Arg(arguments...).Build()
}

// syncAndWait is Sync with WaitFor: each state with a WAIT behind it, on one connection.
func (s *Store) syncAndWait(ctx context.Context, states []fleet.State) []fleet.Grant {
	grants := make([]fleet.Grant, len(states))
	for i := range states {
		keys, arguments := s.keys(states[i].Account), s.arguments(&states[i])
		err := s.client.Dedicated(func(c rueidis.DedicatedClient) error {
			result := c.Do(ctx, s.evalSHA(keys, arguments))
			if isNoScript(result.Error()) {
				result = c.Do(ctx, s.eval(keys, arguments))
			}
			grants[i] = s.grant(result)
			if grants[i].Err != nil || grants[i].Units == 0 {
				return nil
			}
			reached, err := c.Do(ctx, c.B().Wait().Numreplicas(s.replicas).Timeout(fleet.MaxCallTime.Milliseconds()).Build()).AsInt64()
			if err == nil && reached < s.replicas {
				err = fmt.Errorf("%d of %d have it", reached, s.replicas)
			}
			if err != nil {
				return &Error{Kind: ErrNotReplicated, Err: err}
			}
			return nil
		})
		if err != nil {
			grants[i] = fleet.Grant{Err: wrap(err)}
		}
	}
	return grants
}

// arguments are the script's, in its order.
func (s *Store) arguments(t *fleet.State) []string {
	now := ""
	if s.now != nil {
		now = strconv.FormatInt(s.now().UnixMilli(), 10)
	}
	named := "0"
	if t.Named {
		named = "1"
	}
	return []string{
		now, t.Replica, natural(t.N), natural(t.Confirmed), t.Known.Epoch, integer(t.Known.Clock),
		amount(t.Have), amount(t.Spare), amount(t.Settled), amount(t.Blind), amount(t.BlindConfirmed), t.Heir,
		amount(t.Need), amount(t.Least), amount(t.Want), amount(t.Limit), integer(t.Start), integer(t.End), named,
		count(t.Hint), count(t.Count), t.Count.Since.Epoch, integer(t.Count.Since.Clock), amount(t.Count.Since.Blind),
		integer(s.timing.Valid.Milliseconds()), integer(s.timing.Reclaim.Milliseconds()), integer(s.timing.Owe.Milliseconds()),
		integer(s.timing.Keep.Milliseconds()), s.channel(),
	}
}

func amount(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
func integer(v int64) string  { return strconv.FormatInt(v, 10) }
func natural(v uint64) string { return strconv.FormatUint(v, 10) }

func count(c fleet.Count) string {
	if !c.Told {
		return ""
	}
	return amount(c.Used)
}

// grant reads the script's answer.
func (s *Store) grant(result rueidis.RedisResult) fleet.Grant {
	fields, err := result.ToArray()
	if err != nil {
		return fleet.Grant{Err: wrap(err)}
	}
	const length = 15
	if len(fields) != length {
		return fleet.Grant{Err: &Error{Kind: ErrAnswer, Err: fmt.Errorf("%d fields", len(fields))}}
	}
	var errs []error
	text := func(i int) string {
		v, err := fields[i].ToString()
		errs = append(errs, err)
		return v
	}
	number := func(i int) float64 {
		v, err := strconv.ParseFloat(text(i), 64)
		errs = append(errs, err)
		return v
	}
	whole := func(i int) int64 {
		v, err := fields[i].ToInt64()
		errs = append(errs, err)
		return v
	}
	g := fleet.Grant{
		Code: fleet.Code(text(0)), Units: number(1), Now: fleet.Note{Epoch: text(2), Clock: int64(number(3)), Blind: number(4)},
		Base: number(5), Plus: number(6), Out: number(7), Spare: number(8), Replicas: int(whole(9)),
		Start: int64(number(10)), End: int64(number(11)), Lost: whole(12) != 0, Dropped: whole(13) != 0, Wants: whole(14) != 0,
		Valid: s.timing.Valid, Reclaim: s.timing.Reclaim,
	}
	if err := errors.Join(errs...); err != nil {
		return fleet.Grant{Err: &Error{Kind: ErrAnswer, Err: err}}
	}
	return g
}

// Watch is fleet.Fleet's. It returns when the connection of its subscription breaks.
func (s *Store) Watch(ctx context.Context, recall func(fleet.Account)) error {
	ctx = rueidis.WithOnSubscriptionHook(ctx, func(e rueidis.PubSubSubscription) {
		if e.Kind == "subscribe" {
			recall(fleet.Account{}) // what was published before was not heard
		}
	})
	return wrap(s.client.Receive(ctx, s.client.B().Subscribe().Channel(s.channel()).Build(), func(m rueidis.PubSubMessage) {
		_, name, _ := strings.Cut(m.Message, "}:")
		if a, ok := fleet.ParseAccount(name); ok {
			recall(a)
		}
	}))
}

// Close ends nothing: the client is the app's.
func (s *Store) Close() error { return nil }
