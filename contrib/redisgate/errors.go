package redisgate

import (
	"context"
	"crypto/sha1" //nolint:gosec // Redis names scripts so
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/rueidis"

	"github.com/stiggate/gate/fleet"
)

// What may be wrong with a Redis, to be found by errors.Is.
var (
	ErrUnreachable   = errors.New("it can't be reached")
	ErrUnauthorized  = errors.New("it refuses the user, the password or a command")
	ErrReadOnly      = errors.New("it is read-only: a replica, or one that has too few replicas of its own")
	ErrMemory        = errors.New("it is out of memory")
	ErrEvicts        = errors.New("it evicts keys when its memory is full: set maxmemory-policy to noeviction or volatile-ttl")
	ErrServerVersion = errors.New("it is too old")
	ErrKeyVersion    = errors.New("its keys are of another version of this package: use another Prefix, or the other version")
	ErrNotReplicated = errors.New("too few of its replicas have what was granted")
	ErrAnswer        = errors.New("its answer is not understood")
)

// Error is what went wrong in Redis.
type Error struct {
	Kind error // one of the above
	Err  error // what Redis or the client said; nil where the kind says all
}

func (e *Error) Error() string {
	if e.Err == nil {
		return "redisgate: Redis: " + e.Kind.Error()
	}
	return fmt.Sprintf("redisgate: Redis: %v (%v)", e.Kind, e.Err)
}

// Unwrap lets errors.Is find both, and fleet.ErrAccount where one account's key alone is concerned.
func (e *Error) Unwrap() []error {
	if e.Kind == ErrKeyVersion || e.Kind == ErrAnswer {
		return []error{e.Kind, e.Err, fleet.ErrAccount}
	}
	return []error{e.Kind, e.Err}
}

// SetupError is why New does not use a Redis.
type SetupError struct {
	Node string // host and port
	Err  error  // an *Error
}

func (e *SetupError) Error() string {
	return fmt.Sprintf("redisgate: the Redis at %s can't be used: %v", e.Node, strings.TrimPrefix(e.Err.Error(), "redisgate: Redis: "))
}

// Unwrap is the *Error.
func (e *SetupError) Unwrap() error { return e.Err }

// wrap names what an error of the client's or of Redis' means.
func wrap(err error) error {
	var own *Error
	if err == nil || errors.As(err, &own) || errors.Is(err, context.Canceled) {
		return err
	}
	answer, ok := rueidis.IsRedisErr(err)
	if !ok {
		return &Error{Kind: ErrUnreachable, Err: err}
	}
	return &Error{Kind: kindOf(answer.Error()), Err: err}
}

// kindOf reads an error answer of Redis: its first word is what it is. A script's error has that of
// the command in it that failed.
func kindOf(answer string) error {
	for _, k := range []struct {
		word string
		kind error
	}{
		{"GATEVERSION", ErrKeyVersion}, {"WRONGTYPE", ErrKeyVersion},
		{"READONLY", ErrReadOnly}, {"NOREPLICAS", ErrReadOnly}, {"MISCONF", ErrReadOnly},
		{"OOM", ErrMemory},
		{"NOAUTH", ErrUnauthorized}, {"WRONGPASS", ErrUnauthorized}, {"NOPERM", ErrUnauthorized},
		{"LOADING", ErrUnreachable}, {"CLUSTERDOWN", ErrUnreachable}, {"MASTERDOWN", ErrUnreachable}, {"TRYAGAIN", ErrUnreachable},
	} {
		if strings.HasPrefix(answer, k.word) || strings.HasPrefix(answer, "ERR "+k.word) {
			return k.kind
		}
	}
	switch {
	case strings.Contains(answer, "ACL failure in script"), strings.Contains(answer, "invalid username-password"):
		return ErrUnauthorized
	case strings.Contains(answer, "command not allowed when used memory"):
		return ErrMemory
	}
	return ErrAnswer
}

func sha(text string) string {
	sum := sha1.Sum([]byte(text)) //nolint:gosec // as above
	return hex.EncodeToString(sum[:])
}

// oldest is the oldest Redis that the client speaks with.
const oldest = 6

// check looks at all nodes that take writes, and writes to each.
func (s *settings) check(ctx context.Context) error {
	nodes := s.client.Nodes()
	if len(nodes) == 0 {
		return &SetupError{Node: "?", Err: &Error{Kind: ErrUnreachable}}
	}
	single := len(nodes) == 1
	for name, node := range nodes {
		info, err := node.Do(ctx, node.B().Info().Build()).ToString()
		if err != nil {
			return &SetupError{Node: name, Err: wrap(err)}
		}
		if !single && field(info, "role") == "slave" {
			continue
		}
		if err := checkInfo(info); err != nil {
			return &SetupError{Node: name, Err: err}
		}
	}
	key := s.prefix + ":version"
	err := s.client.Do(ctx, s.client.B().Set().Key(key).Value(version).Nx().Build()).Error()
	if err == nil {
		return nil
	}
	kept := ""
	if rueidis.IsRedisNil(err) { // it is there
		kept, err = s.client.Do(ctx, s.client.B().Get().Key(key).Build()).ToString()
	}
	switch {
	case err != nil:
		return &SetupError{Node: names(nodes), Err: wrap(err)}
	case kept != version:
		return &SetupError{Node: names(nodes), Err: &Error{Kind: ErrKeyVersion, Err: fmt.Errorf("%q, this one is of %s", kept, version)}}
	}
	return nil
}

func names(nodes map[string]rueidis.Client) string {
	all := make([]string, 0, len(nodes))
	for name := range nodes {
		all = append(all, name)
	}
	return strings.Join(all, ", ")
}

// checkInfo reads the answer to INFO.
func checkInfo(info string) error {
	server := field(info, "redis_version")
	major, _, _ := strings.Cut(server, ".")
	if n, err := strconv.Atoi(major); err != nil || n < oldest {
		return &Error{Kind: ErrServerVersion, Err: fmt.Errorf("version %q, it takes %d", server, oldest)}
	}
	if field(info, "role") == "slave" && field(info, "slave_read_only") != "0" {
		return &Error{Kind: ErrReadOnly}
	}
	policy := field(info, "maxmemory_policy")
	if most := field(info, "maxmemory"); most != "" && most != "0" && policy != "noeviction" && policy != "volatile-ttl" {
		return &Error{Kind: ErrEvicts, Err: fmt.Errorf("it is %s", policy)}
	}
	return nil
}

// field is one of INFO's.
func field(info, name string) string {
	for line := range strings.Lines(info) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+":"); ok {
			return value
		}
	}
	return ""
}
