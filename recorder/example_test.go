package recorder_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/stiggate/gate/recorder"
)

func ExampleNew() {
	logged := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w, rec := recorder.New(w)
			next.ServeHTTP(w, r)
			fmt.Println(r.URL.Path, rec.Status(), rec.Bytes())
		})
	}
	h := logged(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }))
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/x", nil))
	// Output: /x 200 5
}
