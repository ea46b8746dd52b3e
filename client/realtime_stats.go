package client

import "sync/atomic"

// RealtimeStats counts what all calls of Watch have seen since New.
type RealtimeStats struct {
	// Watches is how many calls of Watch have a connection or are about to make one; Live
	// is how many of them hear all news now.
	Watches, Live int
	// Connected is how often Stigg acknowledged a connection, Lost how often one ended or
	// could not be made for a reason other than the end of Watch's context.
	Connected, Lost uint64
	// Events is how many events were understood and passed on.
	Events uint64
	// Ignored is how many frames were not: no JSON, of an unknown type or subscription, or
	// naming no customer.
	Ignored uint64
	// Refused is how many subscriptions Stigg refused; for the newer form of an event that
	// is once for each connection, where Stigg has only the older.
	Refused uint64
	// LastError is why a connection last ended or could not be made, nil if none did. It
	// is an *Error.
	LastError error
}

// RealtimeStats returns the counts up to now.
func (c *Client) RealtimeStats() RealtimeStats {
	stats := RealtimeStats{
		Watches:   int(c.news.watches.Load()),
		Live:      int(c.news.live.Load()),
		Connected: c.news.connected.Load(),
		Lost:      c.news.lost.Load(),
		Events:    c.news.events.Load(),
		Ignored:   c.news.ignored.Load(),
		Refused:   c.news.refused.Load(),
	}
	if last := c.news.last.Load(); last != nil {
		stats.LastError = last
	}
	return stats
}

// news is RealtimeStats as it is counted.
type news struct {
	watches, live                             atomic.Int64
	connected, lost, events, ignored, refused atomic.Uint64
	last                                      atomic.Pointer[Error]
}
