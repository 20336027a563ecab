// SPDX-License-Identifier: MIT
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.nio.file.StandardCopyOption;
import java.util.Arrays;
import java.util.Collection;
import org.opensearch.common.settings.Settings;
import org.opensearch.core.common.transport.TransportAddress;
import org.opensearch.env.Environment;
import org.opensearch.http.HttpServerTransport;
import org.opensearch.node.Node;
import org.opensearch.plugins.Plugin;

/** A single OpenSearch node on a free loopback port: SearchNode FOLDER [PORT]. The port is written to FOLDER/port. */
public final class SearchNode extends Node {
    private SearchNode(Environment environment, Collection<Class<? extends Plugin>> plugins) {
        super(environment, plugins, false);
    }

    public static void main(String[] arguments) throws Exception {
        Path folder = Paths.get(arguments[0]).toAbsolutePath();
        Settings settings = Settings.builder()
            .put("path.home", folder.toString())
            .put("node.name", "test")
            .put("cluster.name", "test")
            .put("discovery.type", "single-node")
            .put("network.host", "127.0.0.1")
            .put("http.port", arguments.length > 1 ? arguments[1] : "0")
            .put("transport.port", "0")
            .put("transport.type", "netty4")
            .put("http.type", "netty4")
            .put("cluster.routing.allocation.disk.threshold_enabled", false)
            .build();
        SearchNode node = new SearchNode(new Environment(settings, folder.resolve("config")), Arrays.asList(
            org.opensearch.transport.Netty4Plugin.class,
            org.opensearch.index.mapper.MapperExtrasPlugin.class,
            org.opensearch.analysis.common.CommonAnalysisPlugin.class,
            org.opensearch.painless.PainlessPlugin.class,
            org.opensearch.ingest.common.IngestCommonPlugin.class,
            org.opensearch.index.reindex.ReindexPlugin.class));
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                node.close();
            } catch (Exception ignored) {
                // the process ends anyway
            }
        }));
        node.start();
        TransportAddress[] bound = node.injector().getInstance(HttpServerTransport.class).boundAddress().boundAddresses();
        Path file = folder.resolve("port.new");
        Files.write(file, String.valueOf(bound[0].getPort()).getBytes());
        Files.move(file, folder.resolve("port"), StandardCopyOption.ATOMIC_MOVE);
        Thread.currentThread().join();
    }
}
