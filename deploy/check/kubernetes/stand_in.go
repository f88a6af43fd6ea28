package main

import (
	"context"
	"fmt"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	node     = "stand-in"
	interval = 200 * time.Millisecond
)

// A stand-in for scheduler, kubelet and storage, without which no pod is ever ready and neither a rollout nor `helm --wait`
// ends. It runs nothing. What it does like a kubelet: a pod whose Secret, ConfigMap, key of either, or volume is missing
// waits.
func newStandIn() *cobra.Command {
	var kubeconfig string
	command := &cobra.Command{
		Use:           "stand-in",
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(*cobra.Command, []string) error {
			config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
			if err != nil {
				return err
			}
			config.QPS, config.Burst = 200, 400
			client, err := kubernetes.NewForConfig(config)
			if err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			if err := register(ctx, client); err != nil {
				return err
			}
			standIn := standIn{client: client, addresses: map[string]string{}}
			for tick := time.NewTicker(interval); ; {
				select {
				case <-ctx.Done():
					return nil
				case <-tick.C:
					standIn.look(ctx)
				}
			}
		},
	}
	command.Flags().StringVar(&kubeconfig, "kubeconfig", "", "how to reach the API server")
	return command
}

func register(ctx context.Context, client kubernetes.Interface) error {
	_, err := client.CoreV1().Nodes().Create(ctx, &core.Node{
		ObjectMeta: meta.ObjectMeta{Name: node},
		Status:     core.NodeStatus{Conditions: []core.NodeCondition{{Type: core.NodeReady, Status: core.ConditionTrue}}},
	}, meta.CreateOptions{})
	return err
}

type standIn struct {
	client    kubernetes.Interface
	addresses map[string]string
}

// One round over all claims and pods. What fails is tried again in the next.
func (s *standIn) look(ctx context.Context) {
	claims, err := s.client.CoreV1().PersistentVolumeClaims("").List(ctx, meta.ListOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for i := range claims.Items {
		if err := s.provide(ctx, &claims.Items[i]); err != nil && !errors.IsAlreadyExists(err) {
			fmt.Println(err)
		}
	}
	pods, err := s.client.CoreV1().Pods("").List(ctx, meta.ListOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for i := range pods.Items {
		pod := &pods.Items[i]
		if err := s.advance(ctx, pod); err != nil && !errors.IsConflict(err) && !errors.IsNotFound(err) {
			fmt.Printf("%s/%s: %v\n", pod.Namespace, pod.Name, err)
		}
	}
}

// A volume for a claim that has none.
func (s *standIn) provide(ctx context.Context, claim *core.PersistentVolumeClaim) error {
	if claim.Spec.VolumeName != "" || claim.DeletionTimestamp != nil {
		return nil
	}
	class := ""
	if claim.Spec.StorageClassName != nil {
		class = *claim.Spec.StorageClassName
	}
	_, err := s.client.CoreV1().PersistentVolumes().Create(ctx, &core.PersistentVolume{
		ObjectMeta: meta.ObjectMeta{Name: "of-" + string(claim.UID)},
		Spec: core.PersistentVolumeSpec{
			Capacity:         claim.Spec.Resources.Requests,
			AccessModes:      claim.Spec.AccessModes,
			StorageClassName: class,
			ClaimRef: &core.ObjectReference{
				APIVersion: "v1", Kind: "PersistentVolumeClaim", Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID,
			},
			PersistentVolumeSource: core.PersistentVolumeSource{HostPath: &core.HostPathVolumeSource{Path: "/nowhere"}},
		},
	}, meta.CreateOptions{})
	return err
}

func (s *standIn) advance(ctx context.Context, pod *core.Pod) error {
	pods := s.client.CoreV1().Pods(pod.Namespace)
	switch {
	case pod.DeletionTimestamp != nil:
		now := int64(0)
		return pods.Delete(ctx, pod.Name, meta.DeleteOptions{GracePeriodSeconds: &now})
	case pod.Spec.NodeName == "":
		return pods.Bind(ctx, &core.Binding{
			ObjectMeta: meta.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name},
			Target:     core.ObjectReference{Kind: "Node", Name: node},
		}, meta.CreateOptions{})
	case pod.Status.Phase == core.PodPending:
		missing, err := s.missing(ctx, pod)
		if err != nil {
			return err
		}
		if missing != "" {
			return s.wait(ctx, pod, missing)
		}
		return s.start(ctx, pod)
	}
	return nil
}

func (s *standIn) wait(ctx context.Context, pod *core.Pod, missing string) error {
	if pod.Status.Message == missing {
		return nil
	}
	pod.Status.Message = missing
	_, err := s.client.CoreV1().Pods(pod.Namespace).UpdateStatus(ctx, pod, meta.UpdateOptions{})
	return err
}

// The pod is said to be ready; one that is to end (a Job's) is said to have ended well.
func (s *standIn) start(ctx context.Context, pod *core.Pod) error {
	status := &pod.Status
	status.Message = ""
	if pod.Spec.RestartPolicy == core.RestartPolicyNever {
		status.Phase = core.PodSucceeded
	} else {
		status.Phase = core.PodRunning
		for _, kind := range []core.PodConditionType{core.PodInitialized, core.ContainersReady, core.PodReady} {
			status.Conditions = append(status.Conditions, core.PodCondition{Type: kind, Status: core.ConditionTrue})
		}
		status.PodIP = s.address(string(pod.UID))
		status.PodIPs = []core.PodIP{{IP: status.PodIP}}
	}
	_, err := s.client.CoreV1().Pods(pod.Namespace).UpdateStatus(ctx, pod, meta.UpdateOptions{})
	return err
}

func (s *standIn) address(uid string) string {
	if s.addresses[uid] == "" {
		n := len(s.addresses) + 1
		s.addresses[uid] = fmt.Sprintf("10.244.%d.%d", n/250, n%250+1)
	}
	return s.addresses[uid]
}

// What the pod refers to and is not there, or nothing.
func (s *standIn) missing(ctx context.Context, pod *core.Pod) (string, error) {
	for _, wanted := range references(&pod.Spec) {
		found, err := s.has(ctx, pod.Namespace, wanted)
		if err != nil {
			return "", err
		}
		if !found && !wanted.optional {
			return fmt.Sprintf("%s %s, key %q: missing", wanted.kind, wanted.name, wanted.key), nil
		}
	}
	return "", nil
}

// A Secret, a ConfigMap or a claim that a pod needs; an empty key is the whole.
type reference struct {
	kind, name, key string
	optional        bool
}

func (s *standIn) has(ctx context.Context, namespace string, wanted reference) (bool, error) {
	var found bool
	var err error
	switch api := s.client.CoreV1(); wanted.kind {
	case "Secret":
		var secret *core.Secret
		if secret, err = api.Secrets(namespace).Get(ctx, wanted.name, meta.GetOptions{}); err == nil {
			_, found = secret.Data[wanted.key]
		}
	case "ConfigMap":
		var config *core.ConfigMap
		if config, err = api.ConfigMaps(namespace).Get(ctx, wanted.name, meta.GetOptions{}); err == nil {
			_, found = config.Data[wanted.key]
		}
	default:
		var claim *core.PersistentVolumeClaim
		if claim, err = api.PersistentVolumeClaims(namespace).Get(ctx, wanted.name, meta.GetOptions{}); err == nil {
			return claim.Status.Phase == core.ClaimBound, nil
		}
	}
	if errors.IsNotFound(err) {
		return false, nil
	}
	return err == nil && (found || wanted.key == ""), err
}

func references(pod *core.PodSpec) []reference {
	var all []reference
	secret := func(name, key string, optional *bool) {
		all = append(all, reference{"Secret", name, key, optional != nil && *optional})
	}
	config := func(name, key string, optional *bool) {
		all = append(all, reference{"ConfigMap", name, key, optional != nil && *optional})
	}
	for _, container := range append(append([]core.Container{}, pod.InitContainers...), pod.Containers...) {
		for _, variable := range container.Env {
			if variable.ValueFrom == nil {
				continue
			}
			if from := variable.ValueFrom.SecretKeyRef; from != nil {
				secret(from.Name, from.Key, from.Optional)
			}
			if from := variable.ValueFrom.ConfigMapKeyRef; from != nil {
				config(from.Name, from.Key, from.Optional)
			}
		}
		for _, from := range container.EnvFrom {
			if from.SecretRef != nil {
				secret(from.SecretRef.Name, "", from.SecretRef.Optional)
			}
			if from.ConfigMapRef != nil {
				config(from.ConfigMapRef.Name, "", from.ConfigMapRef.Optional)
			}
		}
	}
	for _, volume := range pod.Volumes {
		if from := volume.Secret; from != nil {
			items(secret, from.SecretName, from.Items, from.Optional)
		}
		if from := volume.ConfigMap; from != nil {
			items(config, from.Name, from.Items, from.Optional)
		}
		if from := volume.PersistentVolumeClaim; from != nil {
			all = append(all, reference{kind: "PersistentVolumeClaim", name: from.ClaimName})
		}
		if volume.Projected == nil {
			continue
		}
		for _, source := range volume.Projected.Sources {
			if from := source.Secret; from != nil {
				items(secret, from.Name, from.Items, from.Optional)
			}
			if from := source.ConfigMap; from != nil {
				items(config, from.Name, from.Items, from.Optional)
			}
		}
	}
	return all
}

func items(add func(name, key string, optional *bool), name string, keys []core.KeyToPath, optional *bool) {
	if len(keys) == 0 {
		add(name, "", optional)
	}
	for _, item := range keys {
		add(name, item.Key, optional)
	}
}
