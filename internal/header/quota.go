package header

import (
	"net/http"
	"strconv"
	"time"
)

// Quota is what is left of a limit in a period.
type Quota struct {
	Name         string
	Limit, Left  float64
	Start, Reset time.Time // of the period; Start may be zero
	// RetryAfter says that the answer has a Retry-After: then no reset is told, which would
	// be later.
	RetryAfter bool
}

// SetDraft adds the fields of draft-ietf-httpapi-ratelimit-headers, as of draft 08 to 10.
func (q *Quota) SetDraft(h http.Header, now time.Time) {
	limit, left, ok := q.amounts()
	name, text := String(q.Name)
	if !ok || !text {
		return
	}
	policy, rate := name+";q="+limit, name+";r="+left
	if length := q.Reset.Unix() - q.Start.Unix(); !q.Start.IsZero() && length > 0 {
		policy += ";w=" + strconv.FormatInt(length, 10)
	}
	if !q.RetryAfter {
		until := q.Reset.Unix() - now.Unix()
		if now.Nanosecond() < q.Reset.Nanosecond() {
			until++ // not before it is so
		}
		rate += ";t=" + strconv.FormatInt(max(0, until), 10)
	}
	h.Add("RateLimit-Policy", policy)
	h.Add("RateLimit", rate)
}

// SetLegacy sets X-RateLimit-Limit, X-RateLimit-Remaining and X-RateLimit-Reset.
func (q *Quota) SetLegacy(h http.Header) {
	limit, left, ok := q.amounts()
	if !ok {
		return
	}
	h.Set("X-RateLimit-Limit", limit)
	h.Set("X-RateLimit-Remaining", left)
	if h.Del("X-RateLimit-Reset"); !q.RetryAfter {
		h.Set("X-RateLimit-Reset", strconv.FormatInt(q.Reset.Unix(), 10))
	}
}

func (q *Quota) amounts() (limit, left string, ok bool) {
	limit, fine := Integer(q.Limit)
	left, finite := Integer(q.Left)
	return limit, left, fine && finite
}
