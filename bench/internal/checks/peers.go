package checks

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/casbin/casbin/v2"
	"github.com/casbin/casbin/v2/model"
	"github.com/launchdarkly/go-sdk-common/v3/ldcontext"
	"github.com/launchdarkly/go-sdk-common/v3/ldlog"
	ld "github.com/launchdarkly/go-server-sdk/v7"
	"github.com/launchdarkly/go-server-sdk/v7/ldcomponents"
	"github.com/launchdarkly/go-server-sdk/v7/testhelpers/ldtestdata"
	"github.com/open-feature/go-sdk/openfeature"
	"github.com/open-feature/go-sdk/openfeature/memprovider"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/bench/internal/measure"
	"github.com/stiggate/gate/bench/internal/world"
)

// peers are other libraries that say yes or no from memory.
func (f *field) peers() ([]measure.Contestant, error) {
	var all []measure.Contestant
	for _, of := range []func() (measure.Contestant, error){f.casbin, f.launchDarkly, f.targets, f.openFeature} {
		c, err := of()
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

// Enforcer is casbin's with a cache and one policy: every customer may use the boolean feature.
func Enforcer() (*casbin.SyncedCachedEnforcer, error) {
	m, err := model.NewModelFromString(`
[request_definition]
r = sub, obj, act
[policy_definition]
p = sub, obj, act
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = keyMatch(r.sub, p.sub) && r.obj == p.obj && r.act == p.act
`)
	if err != nil {
		return nil, err
	}
	e, err := casbin.NewSyncedCachedEnforcer(m)
	if err != nil {
		return nil, err
	}
	_, err = e.AddPolicy("customer-*", world.Boolean, "use")
	return e, err
}

func (f *field) casbin() (measure.Contestant, error) {
	e, err := Enforcer()
	if err != nil {
		return measure.Contestant{}, err
	}
	for _, c := range f.customers {
		if _, err := e.Enforce(c.ID, world.Boolean, "use"); err != nil {
			return measure.Contestant{}, err
		}
	}
	return measure.Contestant{Name: Casbin, Loop: func(worker, n int) {
		from, mask := f.traffic.Take(worker, n)
		for i := from; i < from+n; i++ {
			if ok, err := e.Enforce(f.asks[i&mask].ID, world.Boolean, "use"); !ok || err != nil {
				panic("refused")
			}
		}
	}}, nil
}

func (f *field) launchDarkly() (measure.Contestant, error) {
	data := ldtestdata.DataSource()
	data.Update(data.Flag(world.Boolean).BooleanFlag().VariationForAll(true))
	client, err := f.launchDarklyOf(data)
	if err != nil {
		return measure.Contestant{}, err
	}
	contexts := make([]ldcontext.Context, len(f.customers))
	for i, c := range f.customers {
		contexts[i] = ldcontext.New(c.ID)
	}
	return measure.Contestant{Name: LD, Loop: func(worker, n int) {
		from, mask := f.traffic.Take(worker, n)
		for i := from; i < from+n; i++ {
			if ok, err := client.BoolVariation(world.Boolean, contexts[f.traffic.Asks[i&mask]], false); !ok || err != nil {
				panic("refused")
			}
		}
	}}, nil
}

// launchDarklyOf is its client with these flags, that sends no events.
func (f *field) launchDarklyOf(data *ldtestdata.TestDataSource) (*ld.LDClient, error) {
	client, err := ld.MakeCustomClient("sdk-key", ld.Config{
		DataSource: data, Events: ldcomponents.NoEvents(), Logging: ldcomponents.Logging().MinLevel(ldlog.Error),
		DiagnosticOptOut: true,
	}, 5*time.Second)
	if err == nil {
		f.closers = append(f.closers, func() { _ = client.Close() })
	}
	return client, err
}

// targets is LaunchDarkly asked what the others are: whether this customer has the feature, by the
// customer's id. The flag names those who have it, and the context is looked up, not at hand.
func (f *field) targets() (measure.Contestant, error) {
	flag := ldtestdata.DataSource().Flag(world.Boolean).BooleanFlag().FallthroughVariation(false)
	contexts := make(map[gate.Customer]*ldcontext.Context, len(f.customers))
	for _, c := range f.customers {
		context := ldcontext.New(c.ID)
		contexts[c] = &context
		flag.VariationForKey(context.Kind(), c.ID, true)
	}
	data := ldtestdata.DataSource()
	data.Update(flag)
	client, err := f.launchDarklyOf(data)
	if err != nil {
		return measure.Contestant{}, err
	}
	return measure.Contestant{Name: Targets, Loop: func(worker, n int) {
		from, mask := f.traffic.Take(worker, n)
		for i := from; i < from+n; i++ {
			if ok, err := client.BoolVariation(world.Boolean, *contexts[f.asks[i&mask]], false); !ok || err != nil {
				panic("refused")
			}
		}
	}}, nil
}

func (f *field) openFeature() (measure.Contestant, error) {
	provider := memprovider.NewInMemoryProvider(map[string]memprovider.InMemoryFlag{
		world.Boolean: {Key: world.Boolean, State: memprovider.Enabled, DefaultVariant: "on", Variants: map[string]any{"on": true, "off": false}},
	})
	if err := openfeature.SetNamedProviderAndWait("bench", provider); err != nil {
		return measure.Contestant{}, err
	}
	client := openfeature.NewClient("bench")
	contexts := make([]openfeature.EvaluationContext, len(f.customers))
	for i, c := range f.customers {
		contexts[i] = openfeature.NewEvaluationContext(c.ID, nil)
	}
	ctx := context.Background()
	return measure.Contestant{Name: "OpenFeature, in memory", Loop: func(worker, n int) {
		from, mask := f.traffic.Take(worker, n)
		for i := from; i < from+n; i++ {
			if ok, err := client.BooleanValue(ctx, world.Boolean, false, contexts[f.traffic.Asks[i&mask]]); !ok || err != nil {
				panic("refused")
			}
		}
	}}, nil
}

// post is the floor of a check that asks another process: one POST of JSON over loopback.
func (f *field) post() measure.Contestant {
	type question struct{ Customer, Feature string }
	type answer struct{ Allowed bool }
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var q question
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		_ = json.NewEncoder(w).Encode(answer{q.Feature == world.Boolean})
	}))
	f.closers = append(f.closers, server.Close)
	client := server.Client()
	ask := func(customer string) (bool, error) {
		body, err := json.Marshal(question{customer, world.Boolean})
		if err != nil {
			return false, err
		}
		r, err := http.NewRequest(http.MethodPost, server.URL, bytes.NewReader(body))
		if err != nil {
			return false, err
		}
		res, err := client.Do(r)
		if err != nil {
			return false, err
		}
		defer func() { _ = res.Body.Close() }()
		var a answer
		err = json.NewDecoder(res.Body).Decode(&a)
		_, _ = io.Copy(io.Discard, res.Body) // so that the connection is used again
		return a.Allowed, err
	}
	return measure.Contestant{Name: "a POST of JSON over loopback", Loop: func(worker, n int) {
		from, mask := f.traffic.Take(worker, n)
		for i := from; i < from+n; i++ {
			if ok, err := ask(f.asks[i&mask].ID); !ok || err != nil {
				panic("refused")
			}
		}
	}}
}
