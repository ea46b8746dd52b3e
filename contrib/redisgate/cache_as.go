package redisgate

import (
	"context"
	"time"

	"github.com/stiggate/gate"
)

// as is the cache with what its Source can do beside reading.
func (c *cache) as() SharedSource {
	r, reports := c.src.(gate.Reporter)
	catalog, reads := c.src.(gate.CatalogReader)
	switch {
	case reports && reads:
		return struct {
			*cache
			reporter
			gate.CatalogReader
		}{c, reporter{r}, catalog}
	case reports:
		return struct {
			*cache
			reporter
		}{c, reporter{r}}
	case reads:
		return struct {
			*cache
			gate.CatalogReader
		}{c, catalog}
	}
	return c
}

// reporter is a Reporter, and a Pacer that may have no pace.
type reporter struct{ to gate.Reporter }

func (r reporter) Report(ctx context.Context, batch []gate.Usage) ([]gate.Ack, error) {
	return r.to.Report(ctx, batch) //nolint:wrapcheck // it is the Source's
}

func (r reporter) Pace(kind gate.UsageKind) time.Duration {
	if p, ok := r.to.(gate.Pacer); ok {
		return p.Pace(kind)
	}
	return 0
}
