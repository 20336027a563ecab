// SPDX-License-Identifier: MIT
import java.util.Collection;
import java.util.List;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.elasticsearch.client.internal.node.NodeClient;
import org.elasticsearch.cluster.metadata.IndexNameExpressionResolver;
import org.elasticsearch.cluster.node.DiscoveryNodes;
import org.elasticsearch.common.io.stream.NamedWriteableRegistry;
import org.elasticsearch.common.settings.ClusterSettings;
import org.elasticsearch.common.settings.IndexScopedSettings;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.common.settings.SettingsFilter;
import org.elasticsearch.features.NodeFeature;
import org.elasticsearch.plugins.ActionPlugin;
import org.elasticsearch.plugins.Plugin;
import org.elasticsearch.rest.BaseRestHandler;
import org.elasticsearch.rest.RestController;
import org.elasticsearch.rest.RestHandler;
import org.elasticsearch.rest.RestRequest;
import org.elasticsearch.rest.RestResponse;
import org.elasticsearch.rest.RestStatus;

/** GET / as the module rest-root has it, which is not among the jars: the node's name, and its cluster. */
public final class RootPlugin extends Plugin implements ActionPlugin {
    private static final class Root extends BaseRestHandler {
        @Override
        public String getName() {
            return "root";
        }

        @Override
        public List<Route> routes() {
            return List.of(new Route(RestRequest.Method.GET, "/"), new Route(RestRequest.Method.HEAD, "/"));
        }

        @Override
        public RestChannelConsumer prepareRequest(RestRequest request, NodeClient client) {
            return channel -> client.admin().cluster().prepareState(org.elasticsearch.core.TimeValue.timeValueSeconds(10))
                .clear().setMetadata(true).execute(new org.elasticsearch.action.ActionListener<>() {
                    @Override
                    public void onResponse(org.elasticsearch.action.admin.cluster.state.ClusterStateResponse answer) {
                        String uuid = answer.getState().metadata().clusterUUID();
                        channel.sendResponse(new RestResponse(RestStatus.OK, "application/json",
                            "{\"cluster_name\":\"test\",\"cluster_uuid\":\"" + uuid + "\",\"tagline\":\"You Know, for Search\"}"));
                    }

                    @Override
                    public void onFailure(Exception failure) {
                        channel.sendResponse(new RestResponse(RestStatus.SERVICE_UNAVAILABLE, "{}"));
                    }
                });
        }
    }

    @Override
    public Collection<RestHandler> getRestHandlers(Settings settings, NamedWriteableRegistry writeables,
        RestController controller, ClusterSettings cluster, IndexScopedSettings indexes, SettingsFilter filter,
        IndexNameExpressionResolver resolver, Supplier<DiscoveryNodes> nodes, Predicate<NodeFeature> features) {
        return List.of(new Root());
    }
}
