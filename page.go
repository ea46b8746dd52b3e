package gate

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the page
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"time"
)

// DenialPage is what a denial's template is executed with (WithDenialTemplate): the
// members of the problem+json body as plain fields, so that the page says the same.
// It does not know the customer. What does not apply is empty.
type DenialPage struct {
	// Status is the HTTP status, such as 402.
	Status int
	// Type is the URI of the kind of problem, Title its name, Detail one sentence on
	// this occurrence.
	Type, Title, Detail string
	// Code is the reason in our spelling, such as usage_limit_exceeded, and Reason it is
	// in Stigg's; empty where Stigg has no word for it.
	Code, Reason string
	// Instance names this one denial, for support.
	Instance string

	// FeatureID and FeatureName tell what was refused; empty if it was no feature.
	FeatureID, FeatureName string
	// Requested, Used and Limit are amounts of it in decimals ("1000000", "0.5").
	Requested, Used, Limit string
	// Meter says that Used and Limit are both there and Limit is above 0, as the meter
	// element asks.
	Meter bool
	// ResetsAt is the end of the usage period, in UTC; zero without one.
	ResetsAt time.Time
	// RetryAfter is in how many seconds asking again may help; 0 if that is not known.
	RetryAfter int
	// UpgradeURL is where another plan can be had; empty unless that is the remedy
	// and WithUpgradeLink gave one.
	UpgradeURL string
}

// page is a template that is known to work, with the policy it is sent under.
type page struct {
	template *template.Template
	csp      string // empty: the app's own
}

//go:embed page.html
var pageHTML string

// ownPage is the page of Gate itself, parsed by the first New of the process.
//
// Its Content-Security-Policy lets it load, run, frame and send nothing; its one
// style element is let through by its hash. 'unsafe-inline' would let through any
// style that got into the page, too.
func ownPage() *page {
	p := &page{template: template.Must(template.New("denial").Parse(pageHTML))}
	b, err := p.render(DenialPage{})
	if err != nil {
		panic(err) // the page is part of the program
	}
	_, style, _ := bytes.Cut(b, []byte("<style>"))
	style, _, _ = bytes.Cut(style, []byte("</style>"))
	hash := sha256.Sum256(style)
	p.csp = "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(hash[:]) +
		"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	return p
}

// newPage tries a template of the app's on a denial that has everything, and on one
// that has next to nothing.
func newPage(t *template.Template) (*page, error) {
	if t == nil {
		return nil, errors.New("the denial template is nil")
	}
	// A copy, since no template can be added to a set that was executed; one that was
	// executed already can't be copied, and needs not.
	if c, err := t.Clone(); err == nil {
		t = c
	}
	p := &page{template: t}
	for _, sample := range []DenialPage{samplePage, {Status: 401, Title: "No customer", Code: "customer_unresolved"}} {
		b, err := p.render(sample)
		if err != nil {
			return nil, fmt.Errorf("the denial template: %w", err)
		}
		if len(bytes.TrimSpace(b)) == 0 {
			return nil, errors.New("the denial template writes nothing")
		}
	}
	return p, nil
}

var samplePage = DenialPage{
	Status: 402, Type: DefaultProblemBase + "usage_limit_exceeded", Title: "Plan limit reached",
	Detail: "This request needs 3 of Templates; 3 of 5 are used.",
	Code:   "usage_limit_exceeded", Reason: string(ReasonLimitExceeded), Instance: "urn:uuid:00000000-0000-4000-8000-000000000000",
	FeatureID: "feature-01-templates", FeatureName: "Templates", Requested: "3", Used: "3", Limit: "5", Meter: true,
	ResetsAt: time.Date(2030, time.January, 1, 0, 0, 0, 0, time.UTC), RetryAfter: 1, UpgradeURL: "https://example.com/upgrade",
}

func (p *page) render(d DenialPage) ([]byte, error) {
	var b bytes.Buffer
	if err := p.template.Execute(&b, d); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// page is the problem for people.
func (p *problem) page(retryAfter int) DenialPage {
	v := DenialPage{
		Status: p.Status, Type: p.Type, Title: p.Title, Detail: p.Detail, Code: p.Code, Instance: p.Instance,
		Reason: string(p.AccessDeniedReason), RetryAfter: retryAfter,
	}
	if p.Feature != nil {
		v.FeatureID, v.FeatureName = p.Feature.ID, p.Feature.DisplayName
	}
	for _, amount := range []struct {
		from *float64
		to   *string
	}{{p.RequestedUsage, &v.Requested}, {p.CurrentUsage, &v.Used}, {p.UsageLimit, &v.Limit}} {
		if amount.from != nil {
			*amount.to = number(*amount.from)
		}
	}
	v.Meter = p.CurrentUsage != nil && p.UsageLimit != nil && *p.UsageLimit > 0
	if p.ResetsAt != nil {
		v.ResetsAt = *p.ResetsAt
	}
	if p.Upgrade != nil {
		v.UpgradeURL = p.Upgrade.URL
	}
	return v
}

// html renders the problem, or returns nil if the template fails, which is logged
// once: the answer is JSON then.
func (g *Gate) html(p *problem, retryAfter int) []byte {
	b, err := g.page.render(p.page(retryAfter))
	if err == nil {
		return b
	}
	type failing struct{ p *page }
	if _, known := g.logged.LoadOrStore(failing{g.page}, true); !known {
		g.logger.Error("gate: the denial template fails; denials are answered as problem+json", "error", err)
	}
	return nil
}
