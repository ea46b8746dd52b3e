// Package drill is a test only: a gated server and an emulated Stigg as processes of
// their own, under load; the server is killed again and again while Stigg's answers
// break in every way. In the end Stigg's count equals the requests answered with
// success, to the unit.
//
//	go test ./drill                              50 kills, and 15 kinds of outage for 200 ms each
//	go test ./drill -args -backlog 1000000       a start with a million usages in the outbox
//	go test ./drill -args -phase 20s             longer outages
//	go test ./drill -args -kills 2000 -seed 7    more, repeatably chosen
package drill
