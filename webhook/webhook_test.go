package webhook

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

const upgraded = `{"type":"subscription.updated","messageId":"m-1","customer":{"id":"acme"}}`

func TestOnlyTheSecretOpensIt(t *testing.T) {
	for name, test := range map[string]struct {
		secrets []string
		given   string
		status  int
	}{
		"the secret":                     {[]string{testSecret}, testSecret, 204},
		"the new one while rotating":     {[]string{"old-one", testSecret}, testSecret, 204},
		"the old one while rotating":     {[]string{testSecret, "new-one"}, testSecret, 204},
		"the same one twice":             {[]string{testSecret, testSecret}, testSecret, 204},
		"none":                           {[]string{testSecret}, "", 401},
		"another":                        {[]string{testSecret}, "guess", 401},
		"its beginning":                  {[]string{testSecret}, testSecret[:8], 401},
		"more than it":                   {[]string{testSecret}, testSecret + "x", 401},
		"another case":                   {[]string{testSecret}, strings.ToUpper(testSecret), 401},
		"one that is no longer accepted": {[]string{"new-one"}, testSecret, 401},
	} {
		t.Run(name, func(t *testing.T) {
			e := serve(t)
			h, err := New(e.heard, test.secrets)
			if err != nil {
				t.Fatal(err)
			}
			e.secrets = h.secrets
			if got, text := e.post(t, test.given, strings.NewReader(upgraded)); got != test.status || text != "" {
				t.Errorf("answered with %d %q, want %d", got, text, test.status)
			}
			if test.status == 204 {
				e.expect(t, "stale acme|")
			} else {
				e.expect(t)
				if stats := e.Stats(); stats != (Stats{Refused: 1}) {
					t.Errorf("the stats are %+v", stats)
				}
			}
		})
	}
}

func TestTwoSecretsInOneRequestAreNone(t *testing.T) {
	e := serve(t)
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, e.url, strings.NewReader(upgraded))
	r.Header[SecretHeader] = []string{testSecret, "guess"}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("answered with %d", resp.StatusCode)
	}
}

func TestOnlyPOSTIsTaken(t *testing.T) {
	e := serve(t)
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete, http.MethodOptions} {
		r, _ := http.NewRequestWithContext(t.Context(), method, e.url, nil)
		r.Header.Set(SecretHeader, testSecret)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusMethodNotAllowed || resp.Header.Get("Allow") != "POST" {
			t.Errorf("%s is answered with %d, Allow: %q", method, resp.StatusCode, resp.Header.Get("Allow"))
		}
	}
}

func TestBodiesThatAreNoJSONObjectAreRefused(t *testing.T) {
	e := serve(t)
	bodies := []string{"", " ", "?", "null", "7", `"type"`, "[]", `[{"type":"plan.updated"}]`, "{", upgraded + "x", upgraded + upgraded, "<html>", "\xff\xfe"}
	e.deliver(t, 400, bodies...)
	e.expect(t)
	if stats := e.Stats(); stats != (Stats{Malformed: uint64(len(bodies))}) {
		t.Errorf("the stats are %+v", stats)
	}
	e.deliver(t, 204, "\n "+upgraded+" \n")
	e.expect(t, "stale acme|")
}

// endless is a body without an end that counts how much of it was read.
type endless struct{ read atomic.Int64 }

func (b *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	b.read.Add(int64(len(p)))
	return len(p), nil
}

// raw sends a request by hand and returns the status of the answer, 0 if the connection was
// cut before it could be read. The body is what send writes after the head.
func raw(t *testing.T, e *endpoint, head string, send func(io.Writer)) int {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(e.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"+head+"\r\n")
		send(conn)
	}()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	_ = conn.Close()
	<-sent
	if err != nil {
		return 0
	}
	return resp.StatusCode
}

func TestLargeBodiesAreRefused(t *testing.T) {
	const mb50 = 50 << 20
	for name, test := range map[string]struct {
		head string
		want int
	}{
		"50 MB that are announced":        {"Stigg-Webhooks-Secret: " + testSecret + "\r\nContent-Length: 52428800\r\n", 413},
		"50 MB without the secret":        {"Content-Length: 52428800\r\n", 401},
		"chunks without an end":           {"Stigg-Webhooks-Secret: " + testSecret + "\r\nTransfer-Encoding: chunked\r\n", 413},
		"chunks without end and a secret": {"Transfer-Encoding: chunked\r\n", 401},
	} {
		t.Run(name, func(t *testing.T) {
			e, sent := serve(t), 0
			chunk := []byte("10000\r\n" + strings.Repeat(" ", 0x10000) + "\r\n")
			if !strings.Contains(test.head, "chunked") {
				chunk = chunk[7 : len(chunk)-2]
			}
			if got := raw(t, e, test.head, func(w io.Writer) {
				for sent < mb50 {
					n, err := w.Write(chunk)
					sent += n
					if err != nil {
						return
					}
				}
			}); got != test.want && got != 0 {
				t.Errorf("answered with %d, want %d", got, test.want)
			}
			want := Stats{Malformed: 1}
			if test.want == 401 {
				want = Stats{Refused: 1}
			}
			if stats := e.Stats(); stats != want {
				t.Errorf("the stats are %+v", stats)
			}
			if sent >= mb50 {
				t.Errorf("all of %d MB was taken", sent>>20)
			}
			e.expect(t)
		})
	}
}

func TestABodyOfTheLargestSizeIsTaken(t *testing.T) {
	e := serve(t, MaxBody(4096))
	body := upgraded + strings.Repeat(" ", 4096-len(upgraded))
	e.deliver(t, 204, body)
	e.deliver(t, 413, body+" ")
	if got, _ := e.post(t, testSecret, io.LimitReader(&endless{}, 4097)); got != 413 {
		t.Errorf("4097 bytes in chunks are answered with %d", got)
	}
}

func TestABodyThatNeverEndsIsNotWaitedFor(t *testing.T) {
	e := serve(t, ReadTimeout(50*time.Millisecond), MaxBody(64<<20)) // which it can't reach in that time
	got := raw(t, e, "Stigg-Webhooks-Secret: "+testSecret+"\r\nTransfer-Encoding: chunked\r\n", func(w io.Writer) {
		for {
			if _, err := io.WriteString(w, "1\r\n \r\n"); err != nil {
				return
			}
		}
	})
	if got != http.StatusRequestTimeout && got != 0 {
		t.Errorf("answered with %d", got)
	}
	if stats := e.Stats(); stats != (Stats{Malformed: 1}) {
		t.Errorf("the stats are %+v", stats)
	}
	e.expect(t)
}

// deadlines is a ResponseWriter that keeps the read deadline.
type deadlines struct {
	*httptest.ResponseRecorder
	read time.Time
}

func (d *deadlines) SetReadDeadline(t time.Time) error {
	d.read = t
	return nil
}

func TestHandlingMayTakeLongerThanReading(t *testing.T) {
	w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	bounded := false
	h, err := New(&heard{}, []string{testSecret}, OnEvent(func(context.Context, Event) error {
		bounded = !w.read.IsZero()
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(upgraded))
	h.ServeHTTP(w, r)
	if w.Code != http.StatusUnauthorized || w.read.IsZero() {
		t.Errorf("without the secret the answer is %d and the deadline %v", w.Code, w.read)
	}
	w.ResponseRecorder = httptest.NewRecorder()
	r.Header.Set(SecretHeader, testSecret)
	h.ServeHTTP(w, r)
	if w.Code != http.StatusNoContent || bounded {
		t.Errorf("the answer is %d, the deadline stays: %t", w.Code, bounded)
	}
}

func TestAReplayIsAnsweredAndNotHandled(t *testing.T) {
	e := serve(t)
	e.deliver(t, 204, upgraded, upgraded, strings.Replace(upgraded, "acme", "globex", 1))
	e.expect(t, "stale acme|")
	if stats := e.Stats(); stats != (Stats{Received: 3, Applied: 1, Repeated: 2}) {
		t.Errorf("the stats are %+v", stats)
	}
}

func TestWhatHasNoMessageIDIsAlwaysHandled(t *testing.T) {
	e := serve(t)
	for _, id := range []string{``, `"messageId":"",`, `"messageId":null,`, `"messageId":7,`} {
		e.deliver(t, 204, `{`+id+`"type":"customer.updated","id":"acme"}`)
	}
	e.expect(t, "stale acme|", "stale acme|", "stale acme|", "stale acme|")
}

func TestOnlyTheLastMessagesAreRemembered(t *testing.T) {
	e := serve(t, Remember(2))
	for _, id := range []string{"a", "b", "c", "c", "b", "a"} {
		e.deliver(t, 204, `{"type":"plan.updated","messageId":"`+id+`"}`)
	}
	if stats := e.Stats(); stats.Applied != 4 || stats.Repeated != 2 {
		t.Errorf("the stats are %+v", stats)
	}
}

func TestTheHookHearsOfEveryEvent(t *testing.T) {
	var got []Event
	e := serve(t, OnEvent(func(_ context.Context, e Event) error {
		got = append(got, e)
		return nil
	}))
	unknown := `{"type":"Moon.Landed","messageId":"m-2","timestamp":"2026-05-04T12:00:00Z","extra":1}`
	e.deliver(t, 204, upgraded, unknown, upgraded)
	if len(got) != 2 {
		t.Fatalf("the hook was called %d times", len(got))
	}
	if !got[0].Is("SUBSCRIPTION_UPDATED") || got[0].Is("subscription.created") || got[0].Customer.ID != "acme" || got[0].MessageID != "m-1" || string(got[0].Body) != upgraded {
		t.Errorf("the first is %+v", got[0])
	}
	if got[1].Type != "Moon.Landed" || !got[1].Time.Equal(noon) || got[1].Customer.ID != "" {
		t.Errorf("the second is %+v", got[1])
	}
}

func TestWhatTheHookCannotHandleIsSentAgainAndThenHandled(t *testing.T) {
	calls := 0
	e := serve(t, OnEvent(func(context.Context, Event) error {
		if calls++; calls < 3 {
			return errors.New("the database is down: " + testSecret)
		}
		return nil
	}))
	e.deliver(t, 500, upgraded, upgraded)
	e.deliver(t, 204, upgraded, upgraded)
	if stats := e.Stats(); calls != 3 || stats.Failed != 2 || stats.Repeated != 1 {
		t.Errorf("%d calls, the stats are %+v", calls, stats)
	}
	e.expect(t, "stale acme|", "stale acme|", "stale acme|")
}

func TestAPanicOfTheHookIsNotASuccess(t *testing.T) {
	panics := true
	h, err := New(&heard{}, []string{testSecret}, OnEvent(func(context.Context, Event) error {
		if panics {
			panic("no")
		}
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	func() {
		defer func() { _ = recover() }()
		h.deliver(t.Context(), []byte(upgraded))
	}()
	panics = false
	if got := h.deliver(t.Context(), []byte(upgraded)); got != 204 || h.Stats().Repeated != 0 {
		t.Errorf("the second delivery is answered with %d, the stats are %+v", got, h.Stats())
	}
}

func TestConcurrentDeliveriesOfOneMessageAreHandledOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		h, err := New(&heard{}, []string{testSecret}, OnEvent(func(context.Context, Event) error {
			calls++
			time.Sleep(time.Second) // while the others wait
			if calls == 1 {
				return errors.New("once")
			}
			return nil
		}))
		if err != nil {
			t.Fatal(err)
		}
		h.now = func() time.Time { return noon }
		var wait sync.WaitGroup
		for range 16 {
			wait.Go(func() {
				w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", strings.NewReader(upgraded))
				r.Header.Set(SecretHeader, testSecret)
				h.ServeHTTP(w, r)
				if w.Code != 204 && w.Code != 500 {
					t.Errorf("answered with %d", w.Code)
				}
			})
		}
		wait.Wait()
		if stats := h.Stats(); calls != 2 || stats.Failed != 1 || stats.Repeated != 14 {
			t.Errorf("%d calls, the stats are %+v", calls, stats)
		}
	})
}

func TestArgumentsAreChecked(t *testing.T) {
	one := []string{testSecret}
	for name, make := range map[string]func() (*Handler, error){
		"no sink":               func() (*Handler, error) { return New(nil, one) },
		"no secret":             func() (*Handler, error) { return New(&heard{}, nil) },
		"the newline of a file": func() (*Handler, error) { return New(&heard{}, []string{testSecret + "\n"}) },
		"a space":               func() (*Handler, error) { return New(&heard{}, []string{" " + testSecret}) },
		"a zero byte":           func() (*Handler, error) { return New(&heard{}, []string{"a\x00b"}) },
		"an empty secret":       func() (*Handler, error) { return New(&heard{}, []string{testSecret, ""}) },
		"a nil option":          func() (*Handler, error) { return New(&heard{}, one, nil) },
		"no function":           func() (*Handler, error) { return New(&heard{}, one, OnEvent(nil)) },
		"no body":               func() (*Handler, error) { return New(&heard{}, one, MaxBody(0)) },
		"no time":               func() (*Handler, error) { return New(&heard{}, one, ReadTimeout(0)) },
		"no environment":        func() (*Handler, error) { return New(&heard{}, one, Environment("")) },
		"nothing to store":      func() (*Handler, error) { return New(&heard{}, one, Remember(0)) },
	} {
		if _, err := make(); err == nil || strings.Contains(err.Error(), testSecret) {
			t.Errorf("%s: the error is %v", name, err)
		}
	}
}
