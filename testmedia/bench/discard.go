package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	pion "github.com/pion/webrtc/v4"
)

type discardCmd struct {
	HTTP string `default:"127.0.0.1:0" help:"Address to listen on."`
}

// Run serves WHIP with pion's default interceptors and a port for each peer,
// reads every packet and throws it away. It prints its address, and at the
// end how many packets came.
func (d *discardCmd) Run(ctx context.Context) error {
	settings := pion.SettingEngine{}
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetInterfaceFilter(func(name string) bool { return name == "lo" })
	api := pion.NewAPI(pion.WithSettingEngine(settings))
	var packets atomic.Uint64
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", d.HTTP)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /whip", func(w http.ResponseWriter, r *http.Request) {
		answer, err := discard(r, api, &packets)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Location", "/whip/peer")
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, answer)
	})
	mux.HandleFunc("DELETE /whip/peer", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /packets", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, packets.Load()) })
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	stopped := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stopped()
	if _, failed := fmt.Fprintf(os.Stdout, "http://%s\n", listener.Addr()); failed != nil {
		return failed
	}
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func discard(r *http.Request, api *pion.API, packets *atomic.Uint64) (string, error) {
	offer, err := io.ReadAll(r.Body)
	if err != nil {
		return "", err
	}
	pc, err := api.NewPeerConnection(pion.Configuration{})
	if err != nil {
		return "", err
	}
	pc.OnTrack(func(track *pion.TrackRemote, _ *pion.RTPReceiver) {
		buffer := make([]byte, 1500)
		for {
			if _, _, ended := track.Read(buffer); ended != nil {
				return
			}
			packets.Add(1)
		}
	})
	if err = pc.SetRemoteDescription(pion.SessionDescription{Type: pion.SDPTypeOffer, SDP: string(offer)}); err != nil {
		return "", errors.Join(err, pc.Close())
	}
	answer, err := pc.CreateAnswer(nil)
	if err != nil {
		return "", errors.Join(err, pc.Close())
	}
	gathered := pion.GatheringCompletePromise(pc)
	if err = pc.SetLocalDescription(answer); err != nil {
		return "", errors.Join(err, pc.Close())
	}
	<-gathered
	return pc.LocalDescription().SDP, nil
}
