package redisgate

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"net/url"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"github.com/stiggate/gate"
)

// What is kept of a set in Redis, and the scripts around it.

var (
	//go:embed cache_ask.lua
	askText string
	//go:embed cache_store.lua
	storeText string
	//go:embed cache_stale.lua
	staleText string
	//go:embed cache_beat.lua
	beatText string
)

// scripts are those, with their names in Redis.
type scripts struct{ ask, store, stale, beat *rueidis.Lua }

func newScripts() scripts {
	return scripts{rueidis.NewLuaScript(askText), rueidis.NewLuaScript(storeText), rueidis.NewLuaScript(staleText), rueidis.NewLuaScript(beatText)}
}

// kept is a set in Redis.
type kept struct {
	Version int `json:"v"`
	Set     gate.EntitlementSet
}

// keptVersion is that of kept and of the keys.
const keptVersion = 1

var errOtherVersion = errors.New("a set of another version")

// keys are those of a customer and resource.
type keys struct{ set, load, staleCustomer, stale string }

func (c *cache) keysOf(who gate.Customer) keys {
	h := fnv.New32a()
	_, _ = h.Write([]byte(who.ID))
	tag, name := c.tag(int(h.Sum32()%shards)), url.PathEscape(who.ID)
	k := keys{staleCustomer: tag + "stale:" + name}
	if k.stale = k.staleCustomer; who.Resource != "" {
		name += "/" + url.PathEscape(who.Resource)
		k.stale = tag + "stale:" + name
	}
	k.set, k.load = tag+"set:"+name, tag+"load:"+name
	return k
}

// channel is where all replicas hear each other.
func (s *settings) newsChannel() string { return s.prefix + ":news" }

// keep is how long what Redis has of a set is of use.
func (c *cache) keep() string { return integer((c.liveTTL + time.Minute).Milliseconds()) }

func (s *settings) override() string {
	if s.now == nil {
		return ""
	}
	return integer(s.now().UnixMicro())
}

// answer is the answer of Redis to who wants a set.
type answer struct {
	now  int64 // microseconds, by Redis' clock, as all times here
	at   int64 // when the set was read
	set  *gate.EntitlementSet
	mine bool // there is none that will do, and this one reads it
}

// aged is the set with its age, for a read that began at a time.
func (a *answer) aged(first int64) gate.EntitlementSet {
	set := *a.set
	if a.at < first {
		set.Age += time.Duration(first-a.at)*time.Microsecond + skew
	}
	set.Cached = max(0, time.Duration(a.now-a.at)*time.Microsecond)
	return set
}

// ask looks for a set that is new enough. A value that can't be read counts as none.
func (c *cache) ask(ctx context.Context, k keys, since int64, now bool, token string) (a answer, err error) {
	changing := c.out.changing() // before the rest is looked at
	all, live, err := c.fleetNow(ctx)
	if err != nil {
		return a, err
	}
	from := ""
	switch {
	case now || changing && since == 0:
		from = "now"
	case since != 0:
		from = integer(since)
	}
	for unread := false; ; unread = true {
		if unread {
			from = "now"
		}
		var fields []string
		err := c.link.do(ctx, func(ctx context.Context) (err error) {
			fields, err = c.scripts.ask.Exec(ctx, c.client, []string{k.set, k.load, k.staleCustomer, k.stale}, []string{
				c.override(), from, integer(c.ttl.Microseconds()), integer(refusedTTL.Microseconds()), integer(all),
				integer(live), integer(c.liveTTL.Microseconds()), token, integer(c.longestLoad().Milliseconds()),
			}).AsStrSlice()
			return err
		})
		if err != nil {
			return a, err
		}
		if len(fields) != 4 {
			return a, &Error{Kind: ErrAnswer, Err: fmt.Errorf("%d fields", len(fields))}
		}
		if a.now, err = strconv.ParseInt(fields[0], 10, 64); err != nil {
			return a, &Error{Kind: ErrAnswer, Err: err}
		}
		a.at, _ = strconv.ParseInt(fields[1], 10, 64)
		a.mine = fields[2] == "load"
		if fields[2] != "set" {
			return a, nil
		}
		if a.set, err = decode(fields[3]); err == nil || unread {
			return a, err
		}
		c.link.unreadable(err)
	}
}

func decode(text string) (*gate.EntitlementSet, error) {
	var k kept
	if err := json.Unmarshal([]byte(text), &k); err != nil {
		return nil, errors.New("a set that is no JSON of ours") // the text would be in the error
	}
	if k.Version != keptVersion {
		return nil, errOtherVersion
	}
	return &k.Set, nil
}

// became is what Redis did with a set.
type became string

const stored became = "stored"

// store stores a set that was read from a time on; if something newer is stored it is returned.
func (c *cache) store(k keys, token string, at int64, set gate.EntitlementSet) (b became, newer *answer, err error) {
	at -= max(0, set.Cached).Microseconds()
	sure, ends := at-max(0, set.Age).Microseconds(), ""
	if e := earliestEnd(&set); !e.IsZero() {
		ends = integer(e.UnixMicro())
	}
	denied := "0"
	keep := c.keep()
	if set.Denied != "" {
		denied, keep = "1", integer((3 * refusedTTL).Milliseconds()) // made-up customers are soon forgotten
	}
	set.Cached = 0
	text, err := json.Marshal(kept{keptVersion, set})
	if err != nil { // an amount that is none
		c.failed(k, token)
		return "", nil, fmt.Errorf("redisgate: the set can't be kept: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.patience)
	defer cancel()
	err = c.link.do(ctx, func(ctx context.Context) error {
		fields, err := c.end(ctx, k, token, at, sure, ends, denied, string(text), keep)
		if err != nil {
			return err
		}
		if b = became(fields[0]); b != "newer" {
			return nil
		}
		newer = &answer{now: at}
		newer.at, _ = strconv.ParseInt(fields[1], 10, 64)
		newer.now = max(newer.now, newer.at)
		if newer.set, err = decode(fields[2]); err != nil {
			b, newer = stored, nil // what was read is as good
		}
		return nil
	})
	return b, newer, err
}

func (c *cache) end(ctx context.Context, k keys, token string, at, sure int64, ends, denied, text, keep string) ([]string, error) {
	fields, err := c.scripts.store.Exec(ctx, c.client, []string{k.set, k.load, k.staleCustomer, k.stale}, []string{
		token, integer(at), integer(sure), ends, denied, text, keep, integer(c.fleet.allStale()), c.newsChannel(),
	}).AsStrSlice()
	if err == nil && len(fields) != 3 {
		err = &Error{Kind: ErrAnswer, Err: fmt.Errorf("%d fields", len(fields))}
	}
	return fields, err
}

// failed ends a load that brought nothing, so that those who wait for it ask themselves.
func (c *cache) failed(k keys, token string) {
	ctx, cancel := context.WithTimeout(context.Background(), c.patience)
	defer cancel()
	_ = c.link.do(ctx, func(ctx context.Context) error {
		_, err := c.end(ctx, k, token, 0, 0, "", "0", "", "0")
		return err
	})
}

// earliestEnd is when the first of a set must be read again, or zero.
func earliestEnd(set *gate.EntitlementSet) (first time.Time) {
	note := func(at time.Time) {
		if !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	for i := range set.Features {
		note(set.Features[i].ValidUntil)
	}
	for i := range set.Credits {
		note(set.Credits[i].ValidUntil)
	}
	return first
}
