// SPDX-License-Identifier: MIT
import java.lang.reflect.Constructor;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import org.opensearch.common.settings.Settings;
import org.opensearch.core.common.transport.TransportAddress;
import org.opensearch.env.Environment;
import org.opensearch.http.HttpServerTransport;
import org.opensearch.node.Node;

/**
 * An OpenSearch node on a free loopback port: SearchNode FOLDER [PORT]. The port is written to FOLDER/port. Lines of
 * FOLDER/settings, NAME VALUE, are settings of its own; without it, the node is alone.
 */
public final class SearchNode {
    /** Of which some have another name in a later release; those that are not among the jars are left out. */
    private static final String[] PLUGINS = {
        "transport.Netty4Plugin", "transport.Netty4ModulePlugin", "index.mapper.MapperExtrasPlugin",
        "index.mapper.MapperExtrasModulePlugin", "analysis.common.CommonAnalysisPlugin",
        "analysis.common.CommonAnalysisModulePlugin", "painless.PainlessPlugin", "painless.PainlessModulePlugin",
        "ingest.common.IngestCommonPlugin", "ingest.common.IngestCommonModulePlugin", "index.reindex.ReindexPlugin",
        "index.reindex.ReindexModulePlugin"};

    private static List<Class<?>> plugins() {
        List<Class<?>> found = new ArrayList<>();
        for (String name : PLUGINS) {
            try {
                found.add(Class.forName("org.opensearch." + name));
            } catch (ClassNotFoundException absent) {
                // of another release
            }
        }
        return found;
    }

    /** From 3 on a node takes descriptions of plugins in place of their classes. */
    private static List<Object> described(List<Class<?>> plugins) throws Exception {
        Class<?> version = Class.forName("org.opensearch.Version");
        Constructor<?> describe = Class.forName("org.opensearch.plugins.PluginInfo").getConstructor(String.class,
            String.class, String.class, version, String.class, String.class, String.class, List.class, boolean.class);
        List<Object> all = new ArrayList<>();
        for (Class<?> plugin : plugins) {
            String name = plugin.getName();
            all.add(describe.newInstance(name, "", "NA", version.getField("CURRENT").get(null), "21", name, null,
                List.of(), false));
        }
        return all;
    }

    private static Node make(Environment environment, boolean describe) throws Exception {
        for (Constructor<?> constructor : Node.class.getDeclaredConstructors()) {
            if (constructor.getParameterCount() == 3) {
                constructor.setAccessible(true);
                return (Node) constructor.newInstance(environment, describe ? described(plugins()) : plugins(), false);
            }
        }
        throw new IllegalStateException("no way to make a node");
    }

    public static void main(String[] arguments) throws Exception {
        Path folder = Paths.get(arguments[0]).toAbsolutePath();
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
        boolean describe = Class.forName("org.opensearch.Version").getField("CURRENT").get(null).toString().compareTo("3") >= 0;
        Node node = make(new Environment(builder.build(), folder.resolve("config")), describe);
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
