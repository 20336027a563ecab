// SPDX-License-Identifier: MIT
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.nio.file.StandardCopyOption;
import java.util.Map;
import java.util.Set;
import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.common.transport.TransportAddress;
import org.elasticsearch.env.Environment;
import org.elasticsearch.http.HttpServerTransport;
import org.elasticsearch.node.Node;
import org.elasticsearch.plugins.PluginsLoader;

/**
 * An Elasticsearch node on a free loopback port: SearchNode FOLDER [PORT]. The port is written to FOLDER/port. Lines of
 * FOLDER/settings, NAME VALUE, are settings of its own; without it, the node is alone.
 */
public final class SearchNode {
    public static void main(String[] arguments) throws Exception {
        Path folder = Paths.get(arguments[0]).toAbsolutePath();
        System.setProperty("es.path.home", folder.toString());
        System.setProperty("es.path.conf", folder.resolve("config").toString());
        LogConfigurator.configureESLogging();
        Settings.Builder builder = Settings.builder()
            .put("path.home", folder.toString())
            .put("node.name", "test")
            .put("cluster.name", "test")
            .put("network.host", "127.0.0.1")
            .put("http.port", arguments.length > 1 ? arguments[1] : "0")
            .put("transport.port", "0")
            .put("transport.type", "netty4")
            .put("http.type", "netty4")
            .put("cluster.routing.allocation.disk.threshold_enabled", false);
        if (Files.exists(folder.resolve("settings"))) {
            for (String line : Files.readAllLines(folder.resolve("settings"))) {
                builder.put(line.substring(0, line.indexOf(' ')), line.substring(line.indexOf(' ') + 1));
            }
        } else {
            builder.put("discovery.type", "single-node");
        }
        Path modules = Paths.get(System.getProperty("search.modules"));
        Node node = new Node(new Environment(builder.build(), folder.resolve("config")),
            PluginsLoader.createPluginsLoader(PluginsLoader.loadModulesBundles(modules), Set.of(), Map.of(), false));
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
