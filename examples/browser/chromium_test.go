package browser

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// patience is how long a page may take. What never comes fails then.
const patience = 60 * time.Second

// startChromium starts a Chromium with a profile of its own, which ends with the test.
func startChromium(t *testing.T) context.Context {
	t.Helper()
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath("chromium"),
		chromedp.NoSandbox, // the tests run as root in CI
		chromedp.Flag("disable-gpu", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-crash-reporter", true),
		chromedp.WSURLReadTimeout(2*time.Minute))
	allocator, release := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, stop := chromedp.NewContext(allocator)
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil {
			t.Errorf("chromium did not stop in peace: %v", err)
		}
		stop()
		release() // waits for the process, and removes its profile
	})
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	return ctx
}

// tab is one open page. It fails the test at the end if the page's console told any error.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu     sync.Mutex
	errors []consoleError
}

type consoleError struct{ text, url string }

// newTab opens a tab of somebody new: it shares no cookies with others.
func newTab(t *testing.T, chromium context.Context) *tab {
	t.Helper()
	return openTab(t, chromium, chromedp.WithNewBrowserContext())
}

// another opens a tab beside this one, of the same person.
func (p *tab) another() *tab {
	p.t.Helper()
	return openTab(p.t, p.ctx)
}

func openTab(t *testing.T, beside context.Context, options ...chromedp.ContextOption) *tab {
	t.Helper()
	ctx, shut := chromedp.NewContext(beside, options...)
	p := &tab{t: t, ctx: ctx}
	t.Cleanup(func() {
		shut()
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, e := range p.errors {
			t.Errorf("the console of %s says: %s", e.url, e.text)
		}
	})
	if err := chromedp.Listen(ctx, p.hear); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *tab) hear(event any) {
	var told consoleError
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		told = consoleError{e.ExceptionDetails.Text, e.ExceptionDetails.URL}
		if e.ExceptionDetails.Exception != nil {
			told.text += " " + e.ExceptionDetails.Exception.Description
		}
	case *runtime.EventConsoleAPICalled:
		if e.Type != runtime.ConsoleAPICalledTypeError && e.Type != runtime.ConsoleAPICalledTypeAssert {
			return
		}
		told.text = "console." + string(e.Type)
		for _, arg := range e.Args {
			told.text += fmt.Sprintf(" %s%s", arg.Value, arg.Description)
		}
	case *log.EventEntryAdded:
		if e.Entry.Level != log.EntryLevelError {
			return
		}
		told = consoleError{string(e.Entry.Source) + ": " + e.Entry.Text, e.Entry.URL}
	default:
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.errors = append(p.errors, told)
}

// refused takes out what Chromium tells of a page that was answered with 402: one entry, exactly
// this one. The entry may come after the page.
func (p *tab) refused(url string) {
	p.t.Helper()
	want := consoleError{"network: Failed to load resource: the server responded with a status of 402 (Payment Required)", url}
	p.until("the console tells of the 402 of "+url, func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		i := slices.Index(p.errors, want)
		if i >= 0 {
			p.errors = slices.Delete(p.errors, i, i+1)
		}
		return i >= 0
	})
}

// until asks again and again until the condition holds.
func (p *tab) until(what string, holds func() bool) {
	p.t.Helper()
	for end := time.Now().Add(patience); !holds(); {
		if time.Now().After(end) {
			p.mu.Lock()
			defer p.mu.Unlock()
			page := strings.TrimSpace(evaluate[string](p, `document.body.innerText`))
			p.t.Fatalf("it never came that %s; errors: %+v; the page:\n%.1500s", what, p.errors, page)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// run does one action within patience.
func run[T any](p *tab, action chromedp.Action[T]) (T, error) {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	return chromedp.Run(ctx, action)
}

func must[T any](p *tab, what string, action chromedp.Action[T]) T {
	p.t.Helper()
	v, err := run(p, action)
	if err != nil {
		p.t.Fatalf("%s: %v", what, err)
	}
	return v
}

func evaluate[T any](p *tab, script string) T {
	p.t.Helper()
	return must(p, script, chromedp.Evaluate[T](script))
}
